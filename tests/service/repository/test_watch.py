"""New versions are served without a restart, and nothing that happens in the folder harms the served ones."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffeo.service.model import Model
from diffeo.service.repository import repository, scan
from diffeo.service.repository.repository import RefusedVersion, Repository
from diffeo.service.repository.result import PreflightResult
from diffeo.service.repository.scan import VersionKey
from diffeo.service.repository.watch import FIRST_RETRY_SECONDS, SCAN_SECONDS, RepositoryWatcher
from diffeo.service.requests import LogProbRequest, ModelSelector
from diffeo.service.settings import Settings
from tests.given.flows import affine

SECONDS = 10  # time limit of a test that would hang
NEWEST = ModelSelector("affine2d", None)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


class WatchedFolder:
    """A repository over a folder with version 1 in it; `scan` replaces the timer of the watcher."""

    def __init__(self, models: Path, executor: Executor) -> None:
        affine.copy_to(models)
        self.models = models
        self.settings = Settings(models=models)
        fingerprints = scan.fingerprints(models)
        self.repository: Repository = repository.load(self.settings, executor)
        self.checked: list[VersionKey] = []
        self.refusals: dict[VersionKey, str] = {}
        self.errors: dict[VersionKey, Exception] = {}
        self.can_pass = False
        self.gate = asyncio.Event()  # the preflight of a model named "slow" waits for it
        self.watcher = RepositoryWatcher(self.repository, self.settings, executor, executor, fingerprints, self.check)

    async def check(self, key: VersionKey) -> PreflightResult:
        self.checked.append(key)
        if key in self.errors:
            raise self.errors[key]
        if key[0] == "slow":
            await self.gate.wait()
        return PreflightResult((), self.refusals.get(key), self.can_pass)

    def scan(self, times: int = 2) -> None:
        """Scan as often as it takes to load a new version."""
        asyncio.run(self.scan_and_settle(times))

    async def scan_and_settle(self, times: int = 2) -> None:
        for _ in range(times):
            await self.watcher.scan()
            await self.watcher.settle()

    @property
    def newest(self) -> int:
        return self.repository.find(NEWEST).version

    def reason(self, version: int) -> str:
        entry = self.repository.entry("affine2d", version)
        assert isinstance(entry, RefusedVersion)
        return entry.reason


@pytest.fixture
def watched(tmp_path: Path, executor: Executor) -> WatchedFolder:
    return WatchedFolder(tmp_path, executor)


def test_a_new_version_is_served_after_two_scans(watched: WatchedFolder) -> None:
    affine.copy_to(watched.models, version=2)
    watched.scan(1)
    assert watched.newest == 1
    watched.scan(1)
    assert watched.newest == 2
    assert watched.repository.find(ModelSelector("affine2d", 1)).version == 1


def test_a_new_model_is_served_beside_the_others(watched: WatchedFolder) -> None:
    affine.copy_to(watched.models, "other", version=7)
    watched.scan()
    assert list(watched.repository.models) == ["affine2d", "other"]
    assert watched.repository.find(ModelSelector("other", None)).version == 7


def test_an_unchanged_folder_is_not_checked_or_loaded_again(watched: WatchedFolder) -> None:
    before = watched.repository.models
    watched.scan(3)
    assert watched.repository.models is before
    assert watched.checked == []


def test_a_request_keeps_the_version_that_it_started_with(watched: WatchedFolder) -> None:
    model = watched.repository.find(NEWEST)
    affine.copy_to(watched.models, version=2)
    shutil.rmtree(watched.models / "affine2d/1")
    watched.scan()
    assert watched.newest == 2
    assert model.version == 1
    assert isinstance(model, Model)


def test_a_bad_version_is_refused_with_its_reason_and_the_old_one_stays_in_service(watched: WatchedFolder) -> None:
    (affine.copy_to(watched.models, version=2) / "golden.npy").unlink()
    watched.scan()
    assert watched.newest == 1
    assert watched.reason(2) == "golden.npy is missing"
    assert watched.repository.ready


def test_a_version_that_failed_its_preflight_is_not_loaded(watched: WatchedFolder) -> None:
    affine.copy_to(watched.models, version=2)
    watched.refusals["affine2d", 2] = "it ended the process"
    watched.scan()
    assert watched.newest == 1
    assert watched.reason(2) == "it ended the process"
    assert watched.checked == [("affine2d", 2)]


def test_a_version_that_is_still_being_copied_is_not_loaded(watched: WatchedFolder) -> None:
    half = watched.models / "affine2d" / "2"
    half.mkdir()
    for file in sorted(affine.PATH.iterdir()):
        shutil.copy(file, half)
        watched.scan(1)
        assert watched.checked == []
        assert 2 not in watched.repository.versions("affine2d")
    watched.scan(1)
    assert watched.newest == 2


def test_an_incomplete_copy_is_refused_and_is_loaded_when_it_is_complete(watched: WatchedFolder) -> None:
    whole = affine.copy_to(watched.models, version=2)
    graph = (whole / "forward.onnx").read_bytes()
    (whole / "forward.onnx").write_bytes(graph[:100])
    watched.scan()
    assert "forward.onnx" in watched.reason(2)
    (whole / "forward.onnx").write_bytes(graph)
    watched.scan()
    assert watched.newest == 2


def test_a_bad_version_does_not_block_the_next_one(watched: WatchedFolder) -> None:
    (affine.copy_to(watched.models, version=2) / "golden.npy").unlink()
    watched.scan()
    affine.copy_to(watched.models, version=3)
    watched.scan()
    assert watched.newest == 3
    assert watched.reason(2) == "golden.npy is missing"


def test_a_refusal_is_logged_once_over_many_scans(watched: WatchedFolder, caplog: pytest.LogCaptureFixture) -> None:
    (affine.copy_to(watched.models, version=2) / "golden.npy").unlink()
    watched.scan(5)
    assert [record.msg for record in caplog.records if record.msg == "refused"] == ["refused"]


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, int]]:
    """The message, model and version of each record."""
    return [(record.msg, record.__dict__["model"], record.__dict__["version"]) for record in caplog.records]


def test_a_refused_version_is_logged_as_refused_with_its_reason_and_never_as_published_or_withdrawn(
    watched: WatchedFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = affine.copy_to(watched.models, version=2)
    (folder / "golden.npy").unlink()
    watched.scan(3)
    shutil.rmtree(folder)
    watched.scan(3)
    assert logged(caplog) == [("refused", "affine2d", 2)]
    assert caplog.records[0].__dict__["reason"] == "golden.npy is missing"


def test_a_served_version_is_logged_as_published_and_as_withdrawn(
    watched: WatchedFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = affine.copy_to(watched.models, version=2)
    watched.scan(3)
    shutil.rmtree(folder)
    watched.scan(3)
    assert logged(caplog) == [("published", "affine2d", 2), ("withdrawn", "affine2d", 2)]


def test_a_refused_version_that_is_repaired_is_logged_as_published(
    watched: WatchedFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = affine.copy_to(watched.models, version=2)
    golden = (folder / "golden.npy").read_bytes()
    (folder / "golden.npy").unlink()
    watched.scan()
    assert logged(caplog) == [("refused", "affine2d", 2)]
    (folder / "golden.npy").write_bytes(golden)
    watched.scan()
    assert logged(caplog) == [("refused", "affine2d", 2), ("published", "affine2d", 2)]


def test_a_served_version_whose_files_change_is_served_as_it_was_loaded(
    watched: WatchedFolder, caplog: pytest.LogCaptureFixture
) -> None:
    served = watched.repository.find(NEWEST)
    (watched.models / "affine2d/1/golden.npy").write_bytes(b"other")
    watched.scan(4)
    assert watched.repository.find(NEWEST) is served
    assert watched.checked == []
    assert len([record for record in caplog.records if "files of a served version changed" in record.msg]) == 1


def test_a_deleted_version_is_withdrawn_if_another_is_served(watched: WatchedFolder) -> None:
    affine.copy_to(watched.models, version=2)
    watched.scan()
    shutil.rmtree(watched.models / "affine2d/2")
    watched.scan()
    assert watched.newest == 1
    assert list(watched.repository.versions("affine2d")) == [1]


def test_the_last_served_version_of_a_model_stays_in_service_when_it_is_deleted(watched: WatchedFolder) -> None:
    affine.copy_to(watched.models, version=2)
    watched.scan()
    shutil.rmtree(watched.models / "affine2d")
    watched.scan()
    assert watched.newest == 2
    shutil.rmtree(watched.models)
    watched.scan()
    assert watched.newest == 2


def test_a_version_that_was_deleted_and_published_again_is_served(watched: WatchedFolder) -> None:
    shutil.rmtree(watched.models / "affine2d/1")
    affine.copy_to(watched.models, version=2)
    watched.scan()
    shutil.rmtree(watched.models / "affine2d/2")
    affine.copy_to(watched.models, version=1)
    watched.scan()
    assert watched.newest == 1


def test_a_version_number_that_is_used_again_is_served_only_if_the_new_version_is_good(watched: WatchedFolder) -> None:
    old = watched.repository.find(NEWEST)
    shutil.rmtree(watched.models / "affine2d/1")
    watched.scan()
    assert watched.repository.find(NEWEST) is old
    (affine.copy_to(watched.models) / "golden.npy").unlink()
    watched.scan()
    assert watched.repository.find(NEWEST) is old
    shutil.rmtree(watched.models / "affine2d/1")
    watched.scan()
    affine.copy_to(watched.models)
    watched.scan()
    assert watched.newest == 1
    assert watched.repository.find(NEWEST) is not old


def test_a_new_model_that_is_refused_does_not_affect_the_others(watched: WatchedFolder) -> None:
    (affine.copy_to(watched.models, "other") / "golden.npy").unlink()
    watched.scan()
    assert watched.repository.ready
    assert watched.newest == 1


def test_a_broken_new_model_leaves_requests_without_a_name_to_the_served_one(watched: WatchedFolder) -> None:
    (affine.copy_to(watched.models, "other") / "golden.npy").unlink()
    watched.scan()
    assert watched.repository.find(ModelSelector(None, None)).name == "affine2d"


def test_a_version_that_is_slow_delays_neither_the_scans_nor_the_others(watched: WatchedFolder) -> None:
    async def main() -> None:
        affine.copy_to(watched.models, "slow")
        await watched.watcher.scan()
        await watched.watcher.scan()
        affine.copy_to(watched.models, version=2)
        await watched.watcher.scan()
        await watched.watcher.scan()
        async with asyncio.timeout(SECONDS):
            while watched.newest != 2:  # noqa: ASYNC110  (nothing tells when a version is served)
                await asyncio.sleep(0.01)
        assert "slow" not in watched.repository.models
        watched.gate.set()
        await watched.watcher.settle()
        assert "slow" in watched.repository.models

    asyncio.run(main())


def test_a_version_that_changes_or_is_deleted_while_it_is_checked_is_not_served_as_it_was(
    watched: WatchedFolder,
) -> None:
    async def main() -> None:
        folder = affine.copy_to(watched.models, "slow")
        await watched.watcher.scan()
        await watched.watcher.scan()
        shutil.rmtree(folder)
        await watched.watcher.scan()
        watched.gate.set()
        await watched.watcher.settle()
        assert "slow" not in watched.repository.models

    asyncio.run(main())


def test_a_reason_that_can_pass_is_checked_again_after_a_wait_that_grows(
    watched: WatchedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("diffeo.service.repository.watch.time.monotonic", lambda: now)
    affine.copy_to(watched.models, version=2)
    watched.refusals["affine2d", 2], watched.can_pass = "it was killed", True
    watched.scan(3)
    assert (watched.reason(2), len(watched.checked)) == ("it was killed", 1)
    now = FIRST_RETRY_SECONDS + 1
    watched.scan(3)
    assert len(watched.checked) == 2
    now += FIRST_RETRY_SECONDS + 1
    watched.scan(3)
    assert len(watched.checked) == 2
    watched.refusals.clear()
    now += FIRST_RETRY_SECONDS
    watched.scan(3)
    assert watched.newest == 2
    assert len(watched.checked) == 3


def test_a_refusal_whose_reason_cannot_pass_is_not_checked_again(
    watched: WatchedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("diffeo.service.repository.watch.time.monotonic", lambda: now)
    affine.copy_to(watched.models, version=2)
    watched.refusals["affine2d", 2] = "it ended the process"
    watched.scan(3)
    now = 1e6
    watched.scan(3)
    assert len(watched.checked) == 1


def test_a_check_that_raises_refuses_its_version_and_a_later_one_is_served(watched: WatchedFolder) -> None:
    affine.copy_to(watched.models, version=2)
    watched.errors["affine2d", 2] = ValueError("Expecting value")
    watched.scan()
    assert watched.reason(2) == "it could not be checked (ValueError)"
    affine.copy_to(watched.models, version=3)
    watched.scan()
    assert watched.newest == 3


def test_a_model_whose_folder_cannot_be_listed_stays_as_it_is(
    watched: WatchedFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    affine.copy_to(watched.models, version=2)
    watched.scan()
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "affine2d":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    affine.copy_to(watched.models, "other")
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        watched.scan(3)
        assert list(watched.repository.versions("affine2d")) == [1, 2]
        assert "other" in watched.repository.models
    watched.scan(3)
    assert list(watched.repository.versions("affine2d")) == [1, 2]
    assert sorted(watched.checked) == [("affine2d", 2), ("other", 1)]
    assert [record.__dict__["reason"] for record in caplog.records if record.msg == "unreadable"] == [
        "its folder cannot be listed (Permission denied); its versions stay as they are"
    ]


def test_scans_of_a_large_folder_take_a_small_part_of_one_core(
    watched: WatchedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def recorded(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    found = scan.find(watched.models)
    monkeypatch.setattr(scan, "find", lambda _: replace(found, seconds=2.0))
    monkeypatch.setattr("diffeo.service.repository.watch.asyncio.sleep", recorded)

    async def run() -> None:
        async with asyncio.timeout(0.2):
            await watched.watcher.run()

    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert waits[:3] == [SCAN_SECONDS, 50.0, 50.0]


def test_a_scan_that_fails_does_not_end_the_watcher(watched: WatchedFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffeo.service.repository.watch.SCAN_SECONDS", 0.001)
    scans = 0

    async def failing_scan() -> None:
        nonlocal scans
        scans += 1
        raise OSError("the disk does not answer")

    monkeypatch.setattr(watched.watcher, "scan", failing_scan)

    async def run() -> None:
        async with asyncio.timeout(0.1):
            await watched.watcher.run()

    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert scans > 1


def test_a_hundred_new_versions_under_load_fail_no_request_and_mix_no_versions(watched: WatchedFolder) -> None:
    """Version k is shifted by k - 1, so each answer shows its version."""
    x = np.array([[1.0, -2.0], [3.0, 2.0]], dtype=np.float32)
    answered: set[int] = set()
    done = False

    async def request() -> None:
        answer = await watched.repository.find(NEWEST).log_prob(LogProbRequest(x, "null"))
        expected = affine.log_prob(x - (answer.version - 1))
        np.testing.assert_allclose(answer.tensors["log_prob"], expected, rtol=1e-4)
        answered.add(answer.version)

    async def request_until_done() -> None:
        while not done:
            await request()

    async def publish() -> None:
        nonlocal done
        try:
            for version in range(2, 102):
                affine.shifted(watched.models / f"affine2d/{version}", version - 1)
                await watched.scan_and_settle()
                await request()
                shutil.rmtree(watched.models / f"affine2d/{version - 1}")
        finally:
            done = True

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for work in (publish(), *(request_until_done() for _ in range(8))):
                tasks.create_task(work)

    asyncio.run(main())
    assert len(answered) == 101
