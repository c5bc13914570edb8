"""The client alone needs httpx and numpy; a part of diffeo loads only the packages that it needs."""

import re
import subprocess
import sys
from importlib.metadata import requires

import pytest

import diffeo

HEAVY = {"torch", "onnx", "onnxruntime", "fastapi", "starlette", "pydantic", "scipy", "sklearn", "pandas", "polars"}
BULK = {"pyarrow", "fsspec", "tqdm"}


def loaded(program: str, names: set[str]) -> set[str]:
    """Which of these modules are loaded after a program has run in its own process."""
    command = [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)"]
    return names & set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_client_alone_requires_httpx_and_numpy() -> None:
    without_extras = [line for line in requires("diffeo") or [] if "extra ==" not in line]
    assert {re.split(r"[^A-Za-z0-9_-]", line)[0] for line in without_extras} == {"httpx", "numpy"}


@pytest.mark.parametrize("program", ["from diffeo import Client, AsyncClient", "import diffeo.client.client"])
def test_a_client_loads_httpx_and_numpy_and_nothing_of_the_service(program: str) -> None:
    assert loaded(program, {"httpx", "numpy", *HEAVY, "diffeo.service", "diffeo.training"}) == {"httpx", "numpy"}


def test_a_client_works_when_no_optional_package_can_be_imported(url: str) -> None:
    program = (
        f"for name in {sorted(HEAVY)}: sys.modules[name] = None\n"
        "import numpy\nfrom diffeo import Client\n"
        f"model = Client('{url}').model('affine2d')\n"
        "x, nats = model.sample_and_log_prob(5, seed=7)\n"
        "assert numpy.allclose(model.log_prob(x), nats)\n"
        "assert numpy.allclose(model.inverse(model.forward(x)), x)\n"
    )
    loaded(program, set())


def test_the_command_line_loads_no_client_and_no_service_before_a_command_needs_it() -> None:
    assert loaded("import diffeo.cli.main", {"httpx", "diffeo.service", "diffeo.training", *HEAVY, *BULK}) == set()


def test_a_name_that_diffeo_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'diffeo' has no attribute 'Server'"):
        _ = diffeo.Server
