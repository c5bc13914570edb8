"""New versions are served without a restart, and nothing that happens in the folder harms the served ones."""

import asyncio
import shutil
from dataclasses import replace

import numpy as np
import pytest

from diffeo.service.model import Model
from diffeo.service.repository import scan
from diffeo.service.repository.watch import SCAN_SECONDS
from diffeo.service.requests import LogProbRequest, ModelSelector
from tests.given.flows import affine
from tests.given.unlistable import unlistable
from tests.given.watched_folder import NEWEST, WatchedFolder

SECONDS = 10  # time limit of a test that would hang


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


def test_a_model_whose_folder_cannot_be_listed_stays_as_it_is(
    watched: WatchedFolder, caplog: pytest.LogCaptureFixture
) -> None:
    affine.copy_to(watched.models, version=2)
    watched.scan()
    affine.copy_to(watched.models, "other")
    with unlistable("affine2d"):
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


def test_thirty_new_versions_under_load_fail_no_request_and_mix_no_versions(watched: WatchedFolder) -> None:
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
            for version in range(2, 32):
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
    assert len(answered) == 31
