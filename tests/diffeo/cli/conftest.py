"""A folder with files of rows, and the arguments that name a model at a server."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with rows.csv, rows.npy and latent.csv in it."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("weight,id,height\n-2,7,1\n2,8,3\n,9,0\n")
    np.save("rows.npy", np.array([[1, -2], [3, 2], [np.nan, 0]], np.float32))
    Path("latent.csv").write_text("z0,z1\n0,0\n1,1\n")
    return tmp_path


@pytest.fixture
def remote(url: str) -> list[str]:
    """Arguments for the model affine2d at a server."""
    return ["--model", "affine2d", "--url", url]


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Undoes the logging configuration of `diffeo serve`, which writes to the captured output of one test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
