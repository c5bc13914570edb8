"""A published version is served without a restart, and nothing that happens in the folder harms what is served."""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from diffeo.service.model import Model
from diffeo.service.repository import repository, scan
from diffeo.service.repository.preflight import PreflightResult, PreflightResults
from diffeo.service.repository.repository import Refused, Repository
from diffeo.service.repository.scan import Key
from diffeo.service.repository.watch import Watch
from diffeo.service.requests import LogProbRequest, ModelSelector
from diffeo.service.settings import Settings
from tests.given.flows import affine

NEWEST = ModelSelector("affine2d", None)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


class Followed:
    """A repository over a folder with version 1 in it, and looks at will."""

    def __init__(self, models: Path, executor: Executor) -> None:
        affine.copy_to(models)
        self.models = models
        self.settings = Settings(models=models)
        taken = scan.marks(models)
        self.repository: Repository = repository.load(self.settings, executor)
        self.tried: list[Key] = []
        self.faults: dict[Key, str] = {}
        self.watch = Watch(self.repository, self.settings, executor, executor, taken, self.trial)

    async def trial(self, _: Settings, keys: Sequence[Key]) -> PreflightResults:
        self.tried.extend(keys)
        return {key: PreflightResult((), self.faults.get(key)) for key in keys}

    def look(self, times: int = 2) -> None:
        """Look until what has changed before has rested."""
        for _ in range(times):
            asyncio.run(self.watch.look())

    @property
    def newest(self) -> int:
        return self.repository.find(NEWEST).version

    def reason(self, version: int) -> str:
        entry = self.repository.entry("affine2d", version)
        assert isinstance(entry, Refused)
        return entry.reason


@pytest.fixture
def followed(tmp_path: Path, executor: Executor) -> Followed:
    return Followed(tmp_path, executor)


def test_a_published_version_is_the_newest_after_two_looks(followed: Followed) -> None:
    affine.copy_to(followed.models, version=2)
    followed.look(1)
    assert followed.newest == 1
    followed.look(1)
    assert followed.newest == 2
    assert followed.repository.find(ModelSelector("affine2d", 1)).version == 1


def test_a_published_model_is_served_beside_the_others(followed: Followed) -> None:
    affine.copy_to(followed.models, "other", version=7)
    followed.look()
    assert list(followed.repository.models) == ["affine2d", "other"]
    assert followed.repository.find(ModelSelector("other", None)).version == 7


def test_nothing_new_is_nothing_tried_and_nothing_replaced(followed: Followed) -> None:
    before = followed.repository.models
    followed.look(3)
    assert followed.repository.models is before
    assert followed.tried == []


def test_a_request_keeps_the_version_that_it_began_with(followed: Followed) -> None:
    begun = followed.repository.find(NEWEST)
    affine.copy_to(followed.models, version=2)
    shutil.rmtree(followed.models / "affine2d/1")
    followed.look()
    assert followed.newest == 2
    assert begun.version == 1
    assert isinstance(begun, Model)


def test_a_bad_version_is_refused_with_its_reason_and_the_old_one_serves_on(followed: Followed) -> None:
    (affine.copy_to(followed.models, version=2) / "golden.npy").unlink()
    followed.look()
    assert followed.newest == 1
    assert followed.reason(2) == "golden.npy is missing"
    assert followed.repository.ready


def test_a_version_that_failed_its_trial_is_not_loaded_here(followed: Followed) -> None:
    affine.copy_to(followed.models, version=2)
    followed.faults["affine2d", 2] = "it ended the process"
    followed.look()
    assert followed.newest == 1
    assert followed.reason(2) == "it ended the process"
    assert followed.tried == [("affine2d", 2)]


def test_a_version_that_is_still_being_copied_is_left_alone(followed: Followed) -> None:
    half = followed.models / "affine2d" / "2"
    half.mkdir()
    for file in sorted(affine.PATH.iterdir()):
        shutil.copy(file, half)
        followed.look(1)
        assert followed.tried == []
        assert 2 not in followed.repository.versions("affine2d")
    followed.look(1)
    assert followed.newest == 2


def test_a_copy_that_stopped_halfway_is_refused_and_taken_up_when_it_is_whole(followed: Followed) -> None:
    whole = affine.copy_to(followed.models, version=2)
    graph = (whole / "forward.onnx").read_bytes()
    (whole / "forward.onnx").write_bytes(graph[:100])
    followed.look()
    assert "forward.onnx" in followed.reason(2)
    (whole / "forward.onnx").write_bytes(graph)
    followed.look()
    assert followed.newest == 2


def test_a_bad_version_does_not_stand_in_the_way_of_the_next(followed: Followed) -> None:
    (affine.copy_to(followed.models, version=2) / "golden.npy").unlink()
    followed.look()
    affine.copy_to(followed.models, version=3)
    followed.look()
    assert followed.newest == 3
    assert followed.reason(2) == "golden.npy is missing"


def test_a_refusal_is_told_once(followed: Followed, caplog: pytest.LogCaptureFixture) -> None:
    (affine.copy_to(followed.models, version=2) / "golden.npy").unlink()
    followed.look(5)
    assert [record.msg for record in caplog.records if record.msg == "refused"] == ["refused"]


def test_a_served_version_that_changes_on_disk_is_served_as_it_was(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    served = followed.repository.find(NEWEST)
    (followed.models / "affine2d/1/golden.npy").write_bytes(b"other")
    followed.look(4)
    assert followed.repository.find(NEWEST) is served
    assert followed.tried == []
    assert len([record for record in caplog.records if "changed on disk" in record.msg]) == 1


def test_a_version_that_has_gone_is_withdrawn_where_another_is_served(followed: Followed) -> None:
    affine.copy_to(followed.models, version=2)
    followed.look()
    shutil.rmtree(followed.models / "affine2d/2")
    followed.look()
    assert followed.newest == 1
    assert list(followed.repository.versions("affine2d")) == [1]


def test_the_last_served_version_of_a_model_serves_on_when_it_has_gone(followed: Followed) -> None:
    affine.copy_to(followed.models, version=2)
    followed.look()
    shutil.rmtree(followed.models / "affine2d")
    followed.look()
    assert followed.newest == 2
    shutil.rmtree(followed.models)
    followed.look()
    assert followed.newest == 2


def test_a_version_that_came_back_is_served(followed: Followed) -> None:
    shutil.rmtree(followed.models / "affine2d/1")
    affine.copy_to(followed.models, version=2)
    followed.look()
    shutil.rmtree(followed.models / "affine2d/2")
    affine.copy_to(followed.models, version=1)
    followed.look()
    assert followed.newest == 1


def test_a_number_that_is_used_again_after_its_version_had_gone_is_the_new_version(followed: Followed) -> None:
    old = followed.repository.find(NEWEST)
    shutil.rmtree(followed.models / "affine2d/1")
    followed.look()
    assert followed.repository.find(NEWEST) is old
    (affine.copy_to(followed.models) / "golden.npy").unlink()
    followed.look()
    assert followed.repository.find(NEWEST) is old
    shutil.rmtree(followed.models / "affine2d/1")
    followed.look()
    affine.copy_to(followed.models)
    followed.look()
    assert followed.newest == 1
    assert followed.repository.find(NEWEST) is not old


def test_a_new_model_that_is_refused_harms_no_other(followed: Followed) -> None:
    (affine.copy_to(followed.models, "other") / "golden.npy").unlink()
    followed.look()
    assert followed.repository.ready
    assert followed.newest == 1


def test_a_look_that_fails_does_not_end_the_watch(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffeo.service.repository.watch.LOOK_SECONDS", 0.001)
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        raise OSError("the disk is away")

    monkeypatch.setattr(followed.watch, "look", look)

    async def follow() -> None:
        async with asyncio.timeout(0.1):
            await followed.watch.follow()

    with pytest.raises(TimeoutError):
        asyncio.run(follow())
    assert looks > 1


def test_a_hundred_swaps_under_load_fail_no_request_and_mix_no_versions(followed: Followed) -> None:
    """Version k is shifted by k - 1, so its answers tell it from all others."""
    x = np.array([[1.0, -2.0], [3.0, 2.0]], dtype=np.float32)
    answered: set[int] = set()
    done = False

    async def ask() -> None:
        answer = await followed.repository.find(NEWEST).log_prob(LogProbRequest(x, "null"))
        expected = affine.log_prob(x - (answer.version - 1))
        np.testing.assert_allclose(answer.tensors["log_prob"], expected, rtol=1e-4)
        answered.add(answer.version)

    async def ask_on() -> None:
        while not done:
            await ask()

    async def swap() -> None:
        nonlocal done
        try:
            for version in range(2, 102):
                affine.shifted(followed.models / f"affine2d/{version}", version - 1)
                await followed.watch.look()
                await followed.watch.look()
                await ask()
                shutil.rmtree(followed.models / f"affine2d/{version - 1}")
        finally:
            done = True

    async def both() -> None:
        async with asyncio.TaskGroup() as tasks:
            for work in (swap(), *(ask_on() for _ in range(8))):
                tasks.create_task(work)

    asyncio.run(both())
    assert len(answered) == 101
