"""The preflight reports every version, even if one of them kills the process that loads it."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from diffeo.bundle.proof import Proof
from diffeo.service.repository import preflight, preflight_process, scan
from diffeo.service.repository.preflight import Patience, check
from diffeo.service.repository.preflight_process import PreflightProcess
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
    if name == "shouter":
        os.write(1, b"\\xb9\\n[]\\n")
        os.write(2, b"\\xb9\\n[]\\n" * 100_000)
    if name == "closer":
        parent.close()
        os.close(int(sys.argv[1]))
        time.sleep(60)
    while name == "spinner":
        pass
    if name.startswith("brief"):
        time.sleep(0.05)
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


def results(models: Path, *names: str) -> dict[str, PreflightResult]:
    found = asyncio.run(check(Settings(models=models), [(name, 1) for name in names]))
    return {name: result for (name, _), result in found.items()}


NO_REPORT = "the process that loaded its graphs sent something that is no report"
DISTURBANCES = {
    "printer": NO_REPORT,
    "flooder": NO_REPORT,
    "liar": NO_REPORT,
    "closer": "its graphs ended the process that loaded them",
    "burner": "its graphs needed more processor time than a preflight may take",
}


@pytest.mark.usefixtures("_fake_process")
@pytest.mark.parametrize(("name", "reason"), DISTURBANCES.items(), ids=DISTURBANCES.keys())
def test_a_version_that_disturbs_its_process_is_the_only_one_that_is_refused(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight_process, "END_SECONDS", 0.2)
    found = reasons(tmp_path, "a", name, "b")
    assert (found["a"], found["b"]) == (None, None)
    assert str(found[name]).startswith(reason)


@pytest.mark.usefixtures("_fake_process")
def test_a_process_that_was_killed_from_outside_is_tried_again_and_then_the_reason_can_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "BACKOFF_SECONDS", (0.01, 0.01))
    starts: list[int] = []
    start = PreflightProcess.start

    async def counted(settings: Settings) -> PreflightProcess:
        starts.append(1)
        return await start(settings)

    monkeypatch.setattr(PreflightProcess, "start", counted)
    killed = PreflightResult((), "the process that loaded its graphs was killed (SIGKILL)", can_pass=True)
    assert results(tmp_path, "victim") == {"victim": killed}
    assert len(starts) == 3


@pytest.mark.usefixtures("_fake_process")
def test_a_crash_counts_in_the_second_process_and_its_reason_cannot_pass(tmp_path: Path) -> None:
    assert not results(tmp_path, "killer")["killer"].can_pass


def test_a_process_that_cannot_start_is_a_reason_that_can_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "BACKOFF_SECONDS", (0.01,))
    for command, end in (((sys.executable, "-c", "raise SystemExit(7)"), "exit code 7"), (("/nowhere",), "/nowhere")):
        monkeypatch.setattr(preflight_process, "COMMAND", command)
        (result,) = results(tmp_path, "a").values()
        assert str(result.reason).startswith("the process that loads it could not start (")
        assert end in str(result.reason)
        assert result.can_pass


def test_a_missing_descriptor_is_a_reason_that_can_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(24, "Too many open files")

    async def check_one() -> PreflightResult:
        # The event loop itself needs a pair of sockets, and has it by now.
        monkeypatch.setattr("socket.socketpair", refuse)
        return await preflight.Preflight(Settings(models=tmp_path)).check(("a", 1))

    monkeypatch.setattr(preflight, "BACKOFF_SECONDS", (0.01,))
    result = asyncio.run(check_one())
    assert result.can_pass
    assert "Too many open files" in str(result.reason)


@pytest.mark.usefixtures("_fake_process")
def test_a_version_that_waits_delays_no_other_however_many_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each "sleeper" holds a process until its time limit, which is longer than this test may take."""
    monkeypatch.setattr(preflight, "usable_cores", lambda: 1)
    monkeypatch.setattr(preflight, "SLOW_SECONDS", 0.1)
    keys = [*(("sleeper", number) for number in range(1, 4)), *(("a", number) for number in range(1, 30))]
    began = time.monotonic()
    found = asyncio.run(check(Settings(models=tmp_path), keys, patience=Patience(processor_seconds=60, seconds=0.5)))
    assert time.monotonic() - began < preflight.TIME_LIMIT_SECONDS / 2
    assert {key for key, result in found.items() if result.reason is None} == set(keys[3:])
    slow = found["sleeper", 1]
    assert slow == PreflightResult((), "its check has not ended", can_pass=True, is_loading=True)


@pytest.mark.usefixtures("_fake_process")
def test_a_start_waits_for_a_version_that_has_had_little_processor_time(tmp_path: Path) -> None:
    """On a busy machine a good version waits long and computes little; "brief" sleeps in place of that."""
    keys = [("a", 1), ("brief", 1)]
    found = asyncio.run(check(Settings(models=tmp_path), keys, patience=Patience(processor_seconds=0.03, seconds=60)))
    assert [found[key].reason for key in keys] == [None, None]


@pytest.mark.usefixtures("_fake_process")
def test_a_start_leaves_a_version_that_takes_much_processor_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "TIME_LIMIT_SECONDS", 20.0)
    keys = [("a", 1), ("spinner", 1)]
    found = asyncio.run(check(Settings(models=tmp_path), keys, patience=Patience(processor_seconds=0.5, seconds=600)))
    assert found["a", 1].reason is None
    assert found["spinner", 1].is_loading


@pytest.mark.usefixtures("_fake_process")
def test_many_versions_share_few_processes_and_none_shares_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All together take longer than the time limit of one."""
    monkeypatch.setattr(preflight, "TIME_LIMIT_SECONDS", 1.0)
    names = [f"brief{number}" for number in range(60)]
    assert reasons(tmp_path, *names) == dict.fromkeys(names)


@pytest.mark.usefixtures("_fake_process")
def test_text_that_a_graph_prints_is_no_report(tmp_path: Path) -> None:
    """ONNX Runtime prints a name that is not UTF-8 on standard output."""
    assert reasons(tmp_path, "a", "shouter", "b") == {"a": None, "shouter": None, "b": None}


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
        ("good", 3): PreflightResult((), None, proof=Proof("0" * 64, 524)),
        ("slow", 4): PreflightResult((), "why", can_pass=True, is_loading=True),
    }
    assert parse(dump(results)) == results
