"""Every code block of the README and of docs/client.md runs, in order, in a copy of the repository."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.given.servers.server_process import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = README + (ROOT / "docs/client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGES, re.MULTILINE | re.DOTALL)
# `make serve` is started once for all blocks, and `make test` runs this file.
STARTED = {"make serve\n", "make test\n"}
COMMANDS = [(language, block) for language, block in BLOCKS if language != "json" and block not in STARTED]
# A block of JSON is the answer to the command in the block before it.
ANSWERS = [(before[1], block) for before, (language, block) in pairwise(BLOCKS) if language == "json"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that the blocks use, so that nothing is published into the real repository."""
    copy = tmp_path_factory.mktemp("clone")
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "README.md"):
        shutil.copy2(ROOT / name, copy)
    shutil.copytree(ROOT / "models", copy / "models")
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


@pytest.fixture(scope="module")
def port(clone: Path) -> Iterator[int]:
    """A server started by the first command of the README; the installed packages are used as they are."""
    number = free_port()
    environment = {**os.environ, "DIFFEO_PORT": str(number)}
    command = ["make", "--old-file=.venv/serve.done", "serve"]
    server = subprocess.Popen(command, cwd=clone, env=environment, process_group=0)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{number}/readyz").raise_for_status()
            break
        except httpx.HTTPError:
            time.sleep(0.05)
    yield number
    os.killpg(server.pid, 15)
    server.wait(timeout=30)


def run(language: str, block: str, clone: Path, port: int) -> str:
    """The standard output of one block."""
    shells = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [str(ROOT / ".venv/bin/python"), "-c"]}
    text = block.replace("8000", str(port)).replace("curl ", "curl --fail --silent --show-error ")
    environment = {**os.environ, "DIFFEO_CACHE": str(clone / "cache")}
    done = subprocess.run(
        [*shells[language], text], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("language", "block"), COMMANDS, ids=[block.splitlines()[0][:40] for _, block in COMMANDS])
def test_every_code_block_runs(language: str, block: str, clone: Path, port: int) -> None:
    run(language, block, clone, port)


@pytest.mark.parametrize(("command", "shown"), ANSWERS, ids=[command[:40] for command, _ in ANSWERS])
def test_every_answer_that_a_page_shows_is_the_answer(command: str, shown: str, clone: Path, port: int) -> None:
    answer, expected = json.loads(run("sh", command, clone, port)), json.loads(shown)
    assert answer.keys() == expected.keys()
    for key, value in expected.items():
        # The page rounds numbers.
        assert answer[key] == (pytest.approx(value, abs=0.05) if isinstance(value, list) else value)


def test_the_readme_has_a_command_by_line_twenty_and_is_short() -> None:
    lines = README.splitlines()
    assert "```sh" in lines[:20]
    assert len(lines) < 150


def test_every_file_that_the_readme_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)h#][^)]*)\)", README):
        assert (ROOT / target.partition("#")[0]).exists(), target
