"""The client alone is httpx and numpy; nobody loads what he does not use."""

import re
import subprocess
import sys
from importlib.metadata import requires

import pytest

import diffeo

HEAVY = {"torch", "onnx", "onnxruntime", "fastapi", "starlette", "pydantic", "scipy", "sklearn", "pandas", "polars"}
BULK = {"pyarrow", "fsspec", "tqdm"}


def loaded(program: str, names: set[str]) -> set[str]:
    command = [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)"]
    return names & set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_client_alone_requires_httpx_and_numpy() -> None:
    bare = [line for line in requires("diffeo") or [] if "extra ==" not in line]
    assert {re.split(r"[^A-Za-z0-9_-]", line)[0] for line in bare} == {"httpx", "numpy"}


@pytest.mark.parametrize("program", ["from diffeo import Client, AsyncClient", "import diffeo.client.client"])
def test_a_client_loads_httpx_and_numpy_and_nothing_of_the_service(program: str) -> None:
    assert loaded(program, {"httpx", "numpy", *HEAVY, "diffeo.service", "diffeo.training"}) == {"httpx", "numpy"}


def test_a_client_works_without_all_that_is_not_required(url: str) -> None:
    program = (
        f"for name in {sorted(HEAVY)}: sys.modules[name] = None\n"
        "import numpy\nfrom diffeo import Client\n"
        f"model = Client('{url}').model('affine2d')\n"
        "x, nats = model.sample_and_log_prob(5, seed=7)\n"
        "assert numpy.allclose(model.log_prob(x), nats)\n"
        "assert numpy.allclose(model.inverse(model.forward(x)), x)\n"
    )
    loaded(program, set())


def test_the_shell_loads_no_client_and_no_service_before_it_needs_one() -> None:
    assert loaded("import diffeo.cli.main", {"httpx", "diffeo.service", "diffeo.training", *HEAVY, *BULK}) == set()


def test_what_is_not_at_the_door_is_told_as_python_tells_it() -> None:
    with pytest.raises(AttributeError, match="module 'diffeo' has no attribute 'Server'"):
        _ = diffeo.Server
