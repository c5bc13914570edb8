"""Folders that cannot be listed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def unlistable(name: str) -> Iterator[None]:
    """The system refuses to list a folder of this name. Root may list any folder, so no permission does this."""
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path.name == name:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        yield
