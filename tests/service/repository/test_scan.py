"""The scan finds the versions in a folder in which anything can lie."""

import os
from pathlib import Path

import pytest

from diffeo.service.errors import NothingToServe
from diffeo.service.repository import scan
from diffeo.service.repository.scan import MAX_FILES, find, fingerprint, version_number
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.unlistable import unlistable

KEY = ("affine2d", 1)


def test_a_version_of_too_many_digits_is_ignored_and_named(tmp_path: Path) -> None:
    affine.copy_to(tmp_path)
    (tmp_path / "affine2d/9").mkdir()
    (tmp_path / "affine2d" / ("9" * 20)).mkdir()
    (tmp_path / "affine2d" / ("9" * 200)).mkdir()
    found = find(tmp_path)
    assert list(found.versions) == [KEY, ("affine2d", 9)]
    assert found.ignored == {f"affine2d/{'9' * digits}": "a version has at most 10 digits" for digits in (20, 200)}
    assert version_number("9" * 20) is None


def test_links_in_circles_names_that_are_no_text_and_files_are_ignored(tmp_path: Path) -> None:
    affine.copy_to(tmp_path)
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "here").symlink_to(".")
    (tmp_path / "affine2d/here").symlink_to(".")
    (tmp_path / "nowhere").symlink_to("/nowhere/at/all")
    (tmp_path / "file").touch()
    os.mkdir(os.fsencode(tmp_path) + b"/\xb9\xff")  # noqa: PTH102  (a name that pathlib cannot hold)
    os.mkdir(os.fsencode(tmp_path) + b"/affine2d/\xb9")  # noqa: PTH102  (as above)
    found = find(tmp_path)
    assert list(found.versions) == [KEY]
    assert (found.unreadable, found.ignored) == ({}, {})


def test_a_folder_that_nobody_may_read_hides_no_other(tmp_path: Path) -> None:
    affine.copy_to(tmp_path)
    (tmp_path / "secret").mkdir()
    with unlistable("secret"):
        found = find(tmp_path)
        assert fingerprint(tmp_path / "secret", KEY) == ()
    assert list(found.versions) == [KEY]
    assert found.unreadable == {"secret": "Permission denied"}


def test_a_repository_that_nobody_may_read_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    models = tmp_path / "secret"
    models.mkdir()
    words = r"the model repository .*secret cannot be read \(Permission denied\)"
    with unlistable("secret"):
        with pytest.raises(NothingToServe, match=words):
            scan.find_versions(Settings(models=models))
        assert scan.fingerprints(models) == {}


def test_a_model_that_vanishes_during_the_scan_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    affine.copy_to(tmp_path)
    affine.copy_to(tmp_path, "brief")
    scandir = os.scandir

    def vanish(path: Path) -> object:
        if path == tmp_path / "brief":
            path.rename(tmp_path / ".gone")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanish)
    found = find(tmp_path)
    assert (list(found.versions), found.unreadable) == ([KEY], {})


def test_a_changed_permission_changes_the_fingerprint(tmp_path: Path) -> None:
    file = affine.copy_to(tmp_path) / "golden.npy"
    before = fingerprint(tmp_path, KEY)
    file.chmod(0o600)
    file.chmod(0o644)
    assert fingerprint(tmp_path, KEY) != before


def test_the_fingerprint_of_a_folder_with_very_many_files_is_short_and_still_changes(tmp_path: Path) -> None:
    folder = affine.copy_to(tmp_path)
    for number in range(MAX_FILES):
        (folder / f"stray{number}").touch()
    before = fingerprint(tmp_path, KEY)
    assert len(before) == 1
    os.utime(folder, ns=(1, 1))
    assert fingerprint(tmp_path, KEY) != before
