"""A local model computes what the service computes, from the same bundle, within the tolerance of its certificate."""

import asyncio
import copy
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from diffeo import Client
from diffeo.client.client import RemoteModel
from diffeo.density import Direction, Output, Rows, Vector
from diffeo.errors import DiffeoError, NotInstalled, Problem
from diffeo.local.flow import CHUNK_ROWS
from diffeo.local.model import LocalModel, open_bundle
from diffeo.service.settings import Settings
from tests.given.clients.app_transport import AppTransport
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

ROOT = Path(__file__).parents[3]
OUTPUTS: tuple[Output, ...] = ("x", "log_prob", "z")
DIRECTIONS: tuple[Direction, ...] = ("forward", "inverse")
# Certified bundles: one known by hand, one with fitted weights.
BUNDLES = {"affine2d": affine.PATH, "moons": ROOT / "models/moons/1"}


@pytest.fixture(scope="module", params=BUNDLES)
def remote(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteModel]:
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(BUNDLES[request.param], folder / request.param / "1")
    with App(Settings(models=folder)) as app, Client("http://service.test", transport=AppTransport(app)) as client:
        yield client.model(request.param)


@pytest.fixture(scope="module")
def local(remote: RemoteModel, tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return remote.local(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def tolerance(local: LocalModel) -> float:
    """The tolerance of the certificate's parity check, relative for values above 1."""
    return next(check.tolerance for check in local.manifest.certificate.checks if check.name == "parity")


def check_equal(remote_values: Rows | Vector, local_values: Rows | Vector, tolerance: float) -> None:
    assert remote_values.dtype == local_values.dtype
    np.testing.assert_allclose(local_values, remote_values, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rows", [0, 1, 50, CHUNK_ROWS, 3 * CHUNK_ROWS + 1])
def test_log_prob_and_transforms_are_those_of_the_service(
    remote: RemoteModel, local: LocalModel, tolerance: float, rows: int
) -> None:
    x = np.random.default_rng(1).normal(size=(rows, 2))
    x[rows // 2 : rows // 2 + 1] = np.nan
    check_equal(remote.log_prob(x), local.log_prob(x), tolerance)
    for direction in DIRECTIONS:
        for theirs, ours in zip(remote.transform(x, direction), local.transform(x, direction), strict=True):
            check_equal(theirs, ours, tolerance)
    check_equal(remote.forward(x), local.forward(x), tolerance)
    check_equal(remote.inverse(x), local.inverse(x), tolerance)


@pytest.mark.parametrize("rows", [1, 3 * CHUNK_ROWS + 1])
def test_samples_are_those_of_the_service(remote: RemoteModel, local: LocalModel, tolerance: float, rows: int) -> None:
    theirs, ours = (each.draw(rows, seed=3, start=9, temperature=0.5, outputs=OUTPUTS) for each in (remote, local))
    assert theirs["z"].tobytes() == ours["z"].tobytes()
    for output in OUTPUTS:
        check_equal(theirs[output], ours[output], tolerance)
    check_equal(remote.sample(rows, seed=4), local.sample(rows, seed=4), tolerance)
    check_equal(remote.sample_and_log_prob(rows, seed=4)[1], local.sample_and_log_prob(rows, seed=4)[1], tolerance)
    blocks = list(local.iter_samples(rows, seed=4, start=2, rows=1000))
    assert np.concatenate(blocks).tobytes() == local.sample(rows, seed=4, start=2).tobytes()


Call = Callable[[RemoteModel | LocalModel], object]
INVALID: dict[str, Call] = {
    "three columns": lambda model: model.log_prob(np.ones((1, 3))),
    "a negative seed": lambda model: model.sample(1, seed=-1),
    "no rows": lambda model: model.sample(0),
    "temperature 0": lambda model: model.sample(1, temperature=0),
}


@pytest.mark.parametrize("call", INVALID.values(), ids=INVALID.keys())
def test_an_invalid_request_is_the_problem_that_the_service_answers(
    remote: RemoteModel, local: LocalModel, call: Call
) -> None:
    problems = []
    for model in (remote, local):
        with pytest.raises(Problem) as raised:
            call(model)
        problem = raised.value
        problems.append((problem.status, problem.type, str(problem), problem.field_errors))
    assert problems[0] == problems[1]


def test_a_local_model_works_inside_a_running_event_loop(local: LocalModel) -> None:
    async def main() -> Rows:
        return local.sample(3, seed=7)

    assert asyncio.run(main()).tobytes() == local.sample(3, seed=7).tobytes()


def test_a_copy_or_a_pickle_is_the_same_model(local: LocalModel) -> None:
    assert copy.deepcopy(local) is local
    unpickled = pickle.loads(pickle.dumps(local))  # noqa: S301  (our own bytes)
    assert unpickled.sample(3, seed=7).tobytes() == local.sample(3, seed=7).tobytes()


def test_a_precision_that_the_bundle_lacks_is_an_error_that_lists_those_it_has() -> None:
    with pytest.raises(DiffeoError, match="no graphs in that precision; it has: float32"):
        open_bundle(affine.PATH, "affine2d", 1, "int8")


@pytest.mark.parametrize("package", ["onnxruntime", "pydantic", "scipy"])
def test_without_the_extra_local_the_error_names_what_to_install(package: str, url: str) -> None:
    program = (
        f"import sys; sys.modules['{package}'] = None\n"
        "from diffeo import Client\n"
        f"try: Client('{url}').model('affine2d').local()\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{NotInstalled.__name__} local() needs {package}; pip install 'diffeo[local]'\n"


def test_a_local_model_loads_no_server() -> None:
    program = (
        "import sys; from diffeo.local import cache, model\n"
        "print(*sorted({'fastapi', 'starlette', 'uvicorn', 'orjson', 'simdjson', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
