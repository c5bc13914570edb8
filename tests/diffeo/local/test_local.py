"""local() computes what the service computes, from a bundle that came whole and unchanged or not at all."""

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
from diffeo.bundle.errors import DigestMismatch
from diffeo.client.client import RemoteModel
from diffeo.errors import DiffeoError, NotInstalled, Problem, Unreachable
from diffeo.local import cache
from diffeo.local.flow import CHUNK_ROWS
from diffeo.local.model import LocalModel, open_bundle
from tests.given.clients.app_transport import AppTransport, Change
from tests.given.clients.sync_facade import CLIENTS
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

ROOT = Path(__file__).parents[3]
PARTS = ("x", "log_prob", "z")
FILES = "/models/affine2d/versions/1/files/"
# Certified bundles whose weights were fitted, beside the one known by hand.
BUNDLES = {"affine2d": affine.PATH, "moons": ROOT / "models/moons/1"}


@pytest.fixture(scope="module", params=BUNDLES)
def remote(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteModel]:
    from diffeo.service.settings import Settings  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(BUNDLES[request.param], folder / request.param / "1")
    with App(Settings(models=folder)) as app, Client("http://service.test", transport=AppTransport(app)) as client:
        yield client.model(request.param)


@pytest.fixture(scope="module")
def local(remote: RemoteModel, tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return remote.local(tmp_path_factory.mktemp("cache"))


def parity(remote: RemoteModel) -> float:
    """The certificate's tolerance, relative where a value is above 1."""
    checks = remote.describe()["newest"]["certificate"]["checks"]
    return next(check["tolerance"] for check in checks if check["name"] == "parity")


def agree(tolerance: float, there: np.ndarray, here: np.ndarray) -> None:
    assert there.dtype == here.dtype
    np.testing.assert_allclose(here, there, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rows", [0, 1, 50, CHUNK_ROWS, 3 * CHUNK_ROWS + 1])
def test_the_same_numbers_as_the_service_within_its_certificate(
    remote: RemoteModel, local: LocalModel, rows: int
) -> None:
    tolerance = parity(remote)
    x = np.random.default_rng(1).normal(size=(rows, 2))
    x[rows // 2 : rows // 2 + 1] = np.nan
    agree(tolerance, remote.log_prob(x), local.log_prob(x))
    for direction in ("forward", "inverse"):
        for there, here in zip(remote.transform(x, direction), local.transform(x, direction), strict=True):
            agree(tolerance, there, here)
    agree(tolerance, remote.forward(x), local.forward(x))
    agree(tolerance, remote.inverse(x), local.inverse(x))


@pytest.mark.parametrize("rows", [1, 3 * CHUNK_ROWS + 1])
def test_the_same_sample_as_of_the_service(remote: RemoteModel, local: LocalModel, rows: int) -> None:
    tolerance = parity(remote)
    drawn = [each.draw(rows, seed=3, start=9, temperature=0.5, outputs=PARTS) for each in (remote, local)]
    assert drawn[0]["z"].tobytes() == drawn[1]["z"].tobytes()
    for part in PARTS:
        agree(tolerance, drawn[0][part], drawn[1][part])
    agree(tolerance, remote.sample(rows, seed=4), local.sample(rows, seed=4))
    agree(tolerance, remote.sample_and_log_prob(rows, seed=4)[1], local.sample_and_log_prob(rows, seed=4)[1])
    pieces = list(local.iter_samples(rows, seed=4, start=2, rows=1000))
    assert np.concatenate(pieces).tobytes() == local.sample(rows, seed=4, start=2).tobytes()


def test_a_refusal_is_the_problem_that_the_service_would_answer(remote: RemoteModel, local: LocalModel) -> None:
    for ask in (
        lambda model: model.log_prob(np.ones((1, 3))),
        lambda model: model.sample(1, seed=-1),
        lambda model: model.sample(0),
        lambda model: model.sample(1, temperature=0),
    ):
        told = []
        for model in (remote, local):
            with pytest.raises(Problem) as error:
                ask(model)
            told.append((error.value.status, error.value.type, str(error.value), error.value.field_errors))
        assert told[0] == told[1]


def test_a_local_model_needs_no_loop_of_its_own(local: LocalModel) -> None:
    async def main() -> np.ndarray:
        return local.sample(3, seed=7)

    assert asyncio.run(main()).tobytes() == local.sample(3, seed=7).tobytes()


def test_a_copy_is_the_same_model_also_in_another_process(local: LocalModel) -> None:
    assert copy.deepcopy(local) is local
    again = pickle.loads(pickle.dumps(local))  # noqa: S301  (our own bytes)
    assert again.sample(3, seed=7).tobytes() == local.sample(3, seed=7).tobytes()


@pytest.mark.parametrize("kind", CLIENTS)
def test_both_clients_fetch_it(kind: str, url: str, tmp_path: Path) -> None:
    with CLIENTS[kind](url) as client:
        fetched = client.model("affine2d", 1).local(tmp_path)
        assert fetched.log_prob(np.ones((1, 2))) == client.model("affine2d").log_prob(np.ones((1, 2)))
    assert (fetched.name, fetched.version, fetched.columns) == ("affine2d", 1, ("height", "weight"))


Spoil = Callable[[str, bytes], bytes]


def fetch(app: App, folder: Path, spoil: Spoil = lambda _, content: content) -> tuple[list[str], LocalModel]:
    through = AppTransport(app, spoil)
    with Client("http://service.test", transport=through) as client:
        return through.paths, client.model("affine2d").local(folder)


def test_a_bundle_is_fetched_once_as_it_lies_on_disk(app: App, tmp_path: Path) -> None:
    first, _ = fetch(app, tmp_path)
    assert len(first) == 8
    (folder,) = tmp_path.iterdir()
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == {
        each.name: each.read_bytes() for each in affine.PATH.iterdir()
    }
    second, _ = fetch(app, tmp_path)
    assert second == ["/models/affine2d"]


def test_a_damaged_copy_is_fetched_again(app: App, tmp_path: Path) -> None:
    fetch(app, tmp_path)
    (folder,) = tmp_path.iterdir()
    (folder / "golden.npy").write_bytes(b"damaged")
    paths, _ = fetch(app, tmp_path)
    assert len(paths) == 8
    assert (folder / "golden.npy").read_bytes() == (affine.PATH / "golden.npy").read_bytes()


@pytest.mark.parametrize("file", ["manifest.json", "forward.onnx", "flow.safetensors"])
def test_a_byte_that_changed_on_the_way_is_noticed_and_nothing_is_kept(app: App, tmp_path: Path, file: str) -> None:
    def spoil(path: str, content: bytes) -> bytes:
        return content[:-1] + bytes([content[-1] ^ 1]) if path.endswith(f"/{file}") else content

    with pytest.raises(DigestMismatch, match=file):
        fetch(app, tmp_path, spoil)
    assert list(tmp_path.iterdir()) == []


def test_a_digest_that_is_none_never_becomes_a_path(app: App, tmp_path: Path) -> None:
    def spoil(path: str, content: bytes) -> bytes:
        return content if "files" in path else content.replace(b'"digest":"', b'"digest":"../')

    with pytest.raises(Unreachable, match="is not this service"):
        fetch(app, tmp_path / "cache", spoil)


def test_two_who_fetch_at_the_same_time_both_have_it(app: App, tmp_path: Path) -> None:
    def spoil(path: str, content: bytes) -> bytes:
        # The last file is on its way to the first when the second has finished.
        if path.endswith("inverse.ts") and not list(tmp_path.iterdir()):
            shutil.copytree(affine.PATH, tmp_path / digest)
        return content

    digest = open_bundle(affine.PATH, "affine2d", 1).digest
    _, model = fetch(app, tmp_path, spoil)
    assert model.sample(1).shape == (1, 2)


def test_a_version_that_was_refused_is_not_fetched(app: App, tmp_path: Path) -> None:
    def spoil(_: str, content: bytes) -> bytes:
        return content[: content.index(b'"newest"')] + b'"newest":null}'

    with pytest.raises(DiffeoError, match="no such version of affine2d is served"):
        fetch(app, tmp_path, spoil)


def test_a_precision_that_is_not_there_is_told() -> None:
    with pytest.raises(DiffeoError, match="no graphs in that precision; it has: float32"):
        open_bundle(affine.PATH, "affine2d", 1, "int8")


def test_bundles_are_kept_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIFFEO_CACHE", str(tmp_path))
    assert cache.default_folder() == tmp_path
    monkeypatch.delenv("DIFFEO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_folder() == tmp_path / "diffeo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.default_folder() == Path.home() / ".cache/diffeo"


@pytest.mark.parametrize("package", ["onnxruntime", "pydantic", "scipy"])
def test_an_installation_without_a_runtime_says_what_it_needs(package: str, url: str) -> None:
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
