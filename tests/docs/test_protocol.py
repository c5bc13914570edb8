"""The code blocks of docs/protocol.md run, and everything that the page lists exists in the service."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from diffeo.service.routes.v2.infer import COMMON_PARAMETERS
from diffeo.service.routes.v2.protocol_model import PROTOCOL_MODELS
from tests.given.servers.asgi_app import App
from tests.given.servers.server_process import Server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
KSERVE = ROOT / "runs/clients/bin/python"


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    server = Server(ROOT / "models")
    yield server.url.rpartition(":")[2]
    server.stop()


@pytest.mark.parametrize(("language", "block"), BLOCKS, ids=[block.splitlines()[0][:40] for _, block in BLOCKS])
def test_every_code_block_of_the_page_runs(language: str, block: str, port: str) -> None:
    python = str(KSERVE if "kserve" in block else sys.executable)
    if not Path(python).exists():
        pytest.skip("kserve is not installed; make clients installs it")
    command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [python, "-c"]
    text = block.replace("8000", port).replace("curl ", "curl --fail --silent --show-error ")
    done = subprocess.run([*command, text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_page_lists_the_models_that_a_flow_has_in_the_protocol() -> None:
    listed = re.findall(r"^\| `(NAME[.\w]*)` \| `(\w+)` .*? \| (.*) \|$", PAGE, re.MULTILINE)
    assert {(name, source, *re.findall(r"`(\w+)`", outputs)) for name, source, outputs in listed} == {
        (kind.name("NAME"), kind.input_name, *kind.output_names) for kind in PROTOCOL_MODELS
    }


def test_the_page_lists_every_parameter() -> None:
    (listed,) = re.findall(r"\*\*Parameters\*\*(.*?)An unknown one", PAGE, re.DOTALL)
    known = COMMON_PARAMETERS.union(*(kind.parameters for kind in PROTOCOL_MODELS))
    assert set(re.findall(r"`([a-z_]+)`", listed)) == known


@pytest.mark.parametrize("path", re.findall(r"`(?:GET )?(/v2[a-z/]*)`", PAGE))
def test_every_path_without_a_name_in_it_exists(app: App, path: str) -> None:
    method = "POST" if path.endswith("index") else "GET"
    assert app.request(method, path).status_code == 200


def test_every_file_that_the_page_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)h#][^)]*)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
