"""`write` publishes a complete version or nothing, wherever it stops."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from diffeo.bundle.errors import BundleError, NoVersionLeft, Uncertified, VersionExists
from diffeo.bundle.read import read, versions
from diffeo.bundle.write import BundleContent, content_of, publish, write

AFFINE = Path(__file__).parents[1] / "data/affine2d/1"


@pytest.fixture
def bundle_content() -> BundleContent:
    return content_of(read(AFFINE))


def visible(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def test_a_written_bundle_reads_back_the_same(bundle_content: BundleContent, tmp_path: Path) -> None:
    bundle = write(bundle_content, tmp_path / "m" / "1")
    assert content_of(bundle) == bundle_content
    assert visible(tmp_path / "m") == ["1"]


def test_version_numbers_increase_and_versions_never_change(bundle_content: BundleContent, tmp_path: Path) -> None:
    first = publish(bundle_content, tmp_path).path
    before = {file.name: file.read_bytes() for file in first.iterdir()}
    publish(bundle_content, tmp_path)
    assert versions(tmp_path) == [1, 2]
    assert {file.name: file.read_bytes() for file in first.iterdir()} == before


@pytest.mark.parametrize("obstacle", ["folder", "full folder", "file", "link"])
def test_nothing_that_exists_is_replaced(bundle_content: BundleContent, tmp_path: Path, obstacle: str) -> None:
    path = tmp_path / "1"
    if obstacle == "file":
        path.write_text("here")
    elif obstacle == "link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.mkdir()
    if obstacle == "full folder":
        (path / "x").write_text("here")
    with pytest.raises(VersionExists):
        write(bundle_content, path)
    assert visible(tmp_path) == ["1"]


def test_a_bundle_with_a_failed_check_is_not_written(bundle_content: BundleContent, tmp_path: Path) -> None:
    first, *rest = bundle_content.certificate.checks
    bad = first.model_copy(update={"value": 2 * first.tolerance})
    certificate = bundle_content.certificate.model_copy(update={"checks": (bad, *rest)})
    with pytest.raises(Uncertified):
        write(replace(bundle_content, certificate=certificate), tmp_path / "1")
    assert visible(tmp_path) == []


def test_files_that_are_no_valid_bundle_are_not_published(bundle_content: BundleContent, tmp_path: Path) -> None:
    files = {**bundle_content.files, "forward.onnx": b"not a graph"}
    with pytest.raises(BundleError):
        write(replace(bundle_content, files=files), tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def count_syncs(bundle_content: BundleContent, folder: Path) -> int:
    count = 0

    def count_call(*_: object) -> None:
        nonlocal count
        count += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", count_call)
        write(bundle_content, folder / "1")
    return count


def test_a_crash_at_any_sync_leaves_the_old_state(bundle_content: BundleContent, tmp_path: Path) -> None:
    """The process ends without cleanup at each sync in turn; a reader finds a complete version or none."""
    old = publish(bundle_content, tmp_path / "m").digest
    total = count_syncs(bundle_content, tmp_path / "count")
    for last_sync in range(1, total + 1):
        pid = os.fork()
        if pid == 0:
            _exit_at_sync(last_sync)
            publish(bundle_content, tmp_path / "m")
            os._exit(0)
        os.waitpid(pid, 0)
        found = versions(tmp_path / "m")
        assert [read(tmp_path / "m" / str(version)).digest for version in found] == [old] * len(found)
        for later in found[1:]:
            shutil.rmtree(tmp_path / "m" / str(later))
    assert total > 8


class HasFileno(Protocol):
    """A file, as os.fsync accepts it."""

    def fileno(self) -> int: ...


def _exit_at_sync(last_sync: int) -> None:
    count = 0
    fsync = os.fsync

    def sync(fd: int | HasFileno) -> None:
        nonlocal count
        count += 1
        if count == last_sync:
            os._exit(9)
        fsync(fd)

    os.fsync = sync


def test_an_unfinished_draft_is_ignored(bundle_content: BundleContent, tmp_path: Path) -> None:
    (tmp_path / ".draft-1-dead").mkdir()
    (tmp_path / ".draft-1-dead" / "forward.onnx").write_bytes(b"half")
    publish(bundle_content, tmp_path)
    assert versions(tmp_path) == [1]


def test_no_version_follows_the_largest_one(bundle_content: BundleContent, tmp_path: Path) -> None:
    (tmp_path / "9999999999").mkdir()
    with pytest.raises(NoVersionLeft, match="has version 9999999999, the largest; publish under another name"):
        publish(bundle_content, tmp_path)
