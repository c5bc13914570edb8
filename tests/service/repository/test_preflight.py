"""The preflight reports every version, even if one of them kills the process that loads it."""

import asyncio
import sys
from pathlib import Path

import pytest

from diffeo.service.repository import preflight, preflight_process, scan
from diffeo.service.repository.preflight import check
from diffeo.service.repository.result import PreflightResult, dump, parse
from diffeo.service.repository.scan import VersionKey
from diffeo.service.settings import Settings
from tests.given.flows import affine

# Reports every version as good, but the versions with these names end, stop or disturb this process.
FAKE_PROCESS = """
import json, os, signal, socket, sys, time
parent = socket.socket(fileno=int(sys.argv[1])).makefile("rwb", buffering=0)
parent.readline()
parent.write(b"%d\\n" % os.getpid())
while line := parent.readline():
    name, version = json.loads(line)
    if name == "killer":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "quitter":
        sys.exit(3)
    if name == "sleeper":
        time.sleep(60)
    if name == "victim":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "burner":
        os.kill(os.getpid(), signal.SIGXCPU)
    if name == "printer":
        parent.write(b"\\xb9\\xff printed\\n")
    if name == "flooder":
        parent.write(b"x" * 100_000)
    if name == "closer":
        parent.close()
        os.close(int(sys.argv[1]))
        time.sleep(60)
    if name == "liar":
        name = "other"
    parent.write(json.dumps([name, version, None, False, None]).encode() + b"\\n")
"""


def reasons(models: Path, *names: str, version: int = 1) -> dict[str, str | None]:
    keys: list[VersionKey] = [(name, version) for name in names]
    results = asyncio.run(check(Settings(models=models), keys))
    return {name: result.reason for (name, _), result in results.items()}


def test_a_good_version_has_no_reason_and_a_bad_one_has_its_reason(tmp_path: Path) -> None:
    affine.copy_to(tmp_path, "good")
    (affine.copy_to(tmp_path, "bad") / "golden.npy").unlink()
    assert reasons(tmp_path, "bad", "good") == {"bad": "golden.npy is missing", "good": None}


@pytest.fixture
def _fake_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_process, "COMMAND", (sys.executable, "-c", FAKE_PROCESS))


@pytest.mark.usefixtures("_fake_process")
def test_a_version_that_ends_the_process_is_the_only_one_refused(tmp_path: Path) -> None:
    killed = "its graphs ended the process that loaded them (SIGSEGV)"
    left = "its graphs ended the process that loaded them (exit code 3)"
    assert reasons(tmp_path, "a", "killer", "b", "quitter", "c") == {
        "a": None, "killer": killed, "b": None, "quitter": left, "c": None,
    }  # fmt: skip


@pytest.mark.usefixtures("_fake_process")
def test_a_version_that_never_loads_is_refused_after_the_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "TIME_LIMIT_SECONDS", 0.5)
    assert reasons(tmp_path, "a", "sleeper", "b") == {
        "a": None, "sleeper": "its graphs were not loaded within 0.5 seconds", "b": None,
    }  # fmt: skip


@pytest.mark.usefixtures("_fake_process")
def test_a_version_with_a_known_result_is_not_checked_again_until_its_files_change(tmp_path: Path) -> None:
    affine.copy_to(tmp_path, "killer")
    settings, key = Settings(models=tmp_path), ("killer", 1)
    known = {key: PreflightResult(scan.fingerprint(tmp_path, key), None)}
    assert asyncio.run(check(settings, [key], known)) == known
    (tmp_path / "killer/1/golden.npy").write_bytes(b"other")
    assert "SIGSEGV" in str(asyncio.run(check(settings, [key], known))[key].reason)


def test_results_survive_dump_and_parse(tmp_path: Path) -> None:
    affine.copy_to(tmp_path)
    results = {
        ("affine2d", 1): PreflightResult(scan.fingerprint(tmp_path, ("affine2d", 1)), "why"),
        ("gone", 2): PreflightResult((), None),
    }
    assert parse(dump(results)) == results
