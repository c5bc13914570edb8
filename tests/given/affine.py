"""tests/data/affine2d by hand: z = (x - (1, -2)) / (2, 4), log|det dz/dx| = -log 8; and bundles made from it."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from bundle.manifest import Dtype, FileName
from bundle.read import read
from bundle.write import parts_of, write

DATA: Final = Path(__file__).parents[1] / "data"
PATH: Final = DATA / "affine2d/1"
MEAN: Final = np.array([1.0, -2.0])
SCALE: Final = np.array([2.0, 4.0])
LADJ: Final = -math.log(8)


def forward(x: np.ndarray) -> np.ndarray:
    return (np.asarray(x, np.float64) - MEAN) / SCALE


def inverse(z: np.ndarray) -> np.ndarray:
    return np.asarray(z, np.float64) * SCALE + MEAN


def log_prob(x: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    square = (forward(x) ** 2).sum(axis=1)
    return -square / (2 * temperature**2) - 2 * math.log(temperature) - math.log(2 * math.pi) + LADJ


def copy_to(models: Path, name: str = "affine2d", version: int = 1) -> Path:
    """The bundle as models/name/version."""
    return Path(shutil.copytree(PATH, models / name / str(version)))


def remake(path: Path, change: Mapping[FileName, bytes | None], dtype: Dtype = "float32") -> Path:
    """A valid bundle at `path` with some files exchanged, or left out where None."""
    bundle = read(PATH)
    files = {name: content for name, content in {**bundle.files, **change}.items() if content is not None}
    return write(replace(parts_of(bundle), files=files, dtype=dtype), path).path
