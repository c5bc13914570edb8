"""A trial tells of every version, whatever one of them does to the process that tries it."""

import asyncio
import sys
from pathlib import Path

import pytest

from diffeo.service.repository import preflight, scan
from diffeo.service.repository.preflight import PreflightResult, dump, parse, try_out
from diffeo.service.repository.scan import Key
from diffeo.service.settings import Settings
from tests.given.flows import affine

# Tells of nothing bad until it comes to "killer" or "sleeper".
STAND_IN = """
import json, os, signal, sys, time
for name, version in json.load(sys.stdin)["keys"]:
    if name == "killer":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "quitter":
        sys.exit(3)
    if name == "sleeper":
        time.sleep(60)
    print(json.dumps([name, version, None]), flush=True)
"""


def judged(models: Path, *names: str, version: int = 1) -> dict[str, str | None]:
    keys: list[Key] = [(name, version) for name in names]
    return {name: verdict.fault for (name, _), verdict in asyncio.run(try_out(Settings(models=models), keys)).items()}


def test_a_good_version_has_no_fault_and_a_bad_one_has_its_reason(tmp_path: Path) -> None:
    affine.copy_to(tmp_path, "good")
    (affine.copy_to(tmp_path, "bad") / "golden.npy").unlink()
    assert judged(tmp_path, "bad", "good") == {"bad": "golden.npy is missing", "good": None}


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "COMMAND", (sys.executable, "-c", STAND_IN))


@pytest.mark.usefixtures("stand_in")
def test_a_version_that_ends_the_process_is_the_only_one_refused(tmp_path: Path) -> None:
    killed = "its graphs ended the process that tried them (SIGSEGV)"
    left = "its graphs ended the process that tried them (exit code 3)"
    assert judged(tmp_path, "a", "killer", "b", "quitter", "c") == {
        "a": None, "killer": killed, "b": None, "quitter": left, "c": None,
    }  # fmt: skip


@pytest.mark.usefixtures("stand_in")
def test_a_version_that_never_loads_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "TRIAL_SECONDS", 0.5)
    assert judged(tmp_path, "a", "sleeper", "b") == {
        "a": None, "sleeper": "its graphs were not loaded within 0.5 seconds", "b": None,
    }  # fmt: skip


@pytest.mark.usefixtures("stand_in")
def test_what_is_known_is_not_tried_again_until_its_files_change(tmp_path: Path) -> None:
    affine.copy_to(tmp_path, "killer")
    settings, key = Settings(models=tmp_path), ("killer", 1)
    known = {key: PreflightResult(scan.mark(tmp_path, key), None)}
    assert asyncio.run(try_out(settings, [key], known)) == known
    (tmp_path / "killer/1/golden.npy").write_bytes(b"other")
    assert "SIGSEGV" in str(asyncio.run(try_out(settings, [key], known))[key].fault)


def test_verdicts_travel_as_text(tmp_path: Path) -> None:
    affine.copy_to(tmp_path)
    verdicts = {
        ("affine2d", 1): PreflightResult(scan.mark(tmp_path, ("affine2d", 1)), "why"),
        ("gone", 2): PreflightResult((), None),
    }
    assert parse(dump(verdicts)) == verdicts
