"""A version that is refused harms no other; it is checked again when its reason can pass or when its files change."""

import shutil

import pytest

from diffeo.service.model import Model
from diffeo.service.repository.watch import FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS
from diffeo.service.requests import ModelSelector
from tests.given.flows import affine
from tests.given.watched_folder import NEWEST, WatchedFolder

KEY = ("affine2d", 1)


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


@pytest.mark.parametrize("can_pass", [True, False], ids=["a reason that can pass", "a reason that cannot pass"])
def test_a_republished_version_that_is_refused_is_served_when_its_files_are_corrected_in_place(
    watched: WatchedFolder, caplog: pytest.LogCaptureFixture, *, can_pass: bool
) -> None:
    old = republish(watched, "its golden rows are wrong", can_pass=can_pass)
    assert watched.repository.find(NEWEST) is old
    for fault in ("they are still wrong", None):
        watched.refusals = {} if fault is None else {KEY: fault}
        (watched.models / "affine2d/1/golden.npy").touch()
        watched.scan(4)
    assert watched.repository.find(NEWEST) is not old
    assert len(watched.checked) == 3
    assert [message for message, *_ in logged(caplog)] == ["refused", "refused"]


def test_a_republished_version_that_was_refused_for_a_time_is_checked_again_until_it_is_served(
    watched: WatchedFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr("diffeo.service.repository.watch.time.monotonic", lambda: now)
    old = republish(watched, "it was killed", can_pass=True)
    for checks in (1, 2, 3):
        watched.scan(4)
        assert len(watched.checked) == checks
        assert watched.repository.find(NEWEST) is old
        now += MAX_RETRY_SECONDS + 1
    watched.refusals = {}
    watched.scan(4)
    served = watched.repository.find(NEWEST)
    assert served is not old
    assert len(watched.checked) == 4
    assert {message for message, *_ in logged(caplog)} == {"refused"}
    # From now on it is a served version like any other.
    now += MAX_RETRY_SECONDS + 1
    (watched.models / "affine2d/1/golden.npy").touch()
    watched.scan(4)
    assert watched.repository.find(NEWEST) is served
    assert len(watched.checked) == 4


def republish(watched: WatchedFolder, refusal: str, *, can_pass: bool) -> Model:
    """Delete the served version and publish its number again; the new one is refused. The old one."""
    old = watched.repository.find(NEWEST)
    shutil.rmtree(watched.models / "affine2d/1")
    watched.scan()
    watched.refusals, watched.can_pass = {KEY: refusal}, can_pass
    affine.copy_to(watched.models)
    watched.scan()
    return old
