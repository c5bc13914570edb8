"""Loads changed bundles, and compares each that loads with the original on 10,000 rows over the support."""

import random
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle import base
from diffeo.bundle.agreement import Tensors
from diffeo.bundle.errors import BundleError
from diffeo.bundle.read import read
from diffeo.runtime.errors import EngineError

from . import mutations
from .sealing import Compute, check, computes, files_of, publish

Rows = npt.NDArray[np.floating]

ROWS: Final = 10_000
# Relative: what the format allows two graphs of one bundle to differ by on the worst row.
TOLERANCE: Final = 1e-2


@dataclass(slots=True)
class Counts:
    """The results of a run.

    Attributes:
        tried: number of changed bundles.
        loaded: number that loaded.
        wrong: description and error of each that loaded and computes other numbers than the original.
        largest: largest error of one that loaded.
        reasons: number of refusals by class.
    """

    tried: int = 0
    loaded: int = 0
    wrong: list[str] = field(default_factory=list)
    largest: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)

    def refuse(self, error: Exception) -> None:
        """Count one refusal."""
        name = type(error).__name__
        self.reasons[name] = self.reasons.get(name, 0) + 1


def resealed(path: Path, count: int, seed: int) -> Counts:
    """Change and seal the bundle at `path` `count` times."""
    files, generator, counts = files_of(path), random.Random(seed), Counts()
    z = base.draw(seed, 0, ROWS, read(path).manifest.dimension)
    expected = _answers(computes(files), z)
    for _ in range(count):
        mutation = mutations.resealed(files, generator)
        counts.tried += 1
        try:
            loaded = check(mutation.files)
        except (BundleError, EngineError) as refusal:
            counts.refuse(refusal)
            continue
        counts.loaded += 1
        error = _largest_error(_answers(loaded, z, expected[0]["x"]), expected)
        counts.largest = max(counts.largest, error)
        if not error <= TOLERANCE:
            counts.wrong.append(f"{mutation.about}: {error:.3g}")
    return counts


def unsealed(path: Path, count: int, seed: int) -> Counts:
    """Change one file of the bundle at `path` `count` times, and leave its seal."""
    files, generator, counts = files_of(path), random.Random(seed), Counts()
    with tempfile.TemporaryDirectory() as folder:
        copy = publish(files, Path(folder) / "1")
        for _ in range(count):
            name, content = mutations.unsealed(files, generator)
            (copy / name).write_bytes(content)
            counts.tried += 1
            try:
                read(copy)
            except BundleError as refusal:
                counts.refuse(refusal)
            else:
                counts.loaded += 1
                counts.wrong.append(f"{name} changed")
            (copy / name).write_bytes(files[name])
        shutil.rmtree(copy)
    return counts


def _answers(computes: tuple[Compute, Compute], z: Rows, x: Rows | None = None) -> list[Tensors]:
    """The answers of both graphs: z, and x or else the rows drawn from z."""
    forward, inverse = computes
    drawn = inverse(z)
    return [drawn, forward(drawn["x"] if x is None else x)]


def _largest_error(got: list[Tensors], expected: list[Tensors]) -> float:
    errors = [
        np.max(np.abs(mine[name] - values) / np.maximum(1, np.abs(values)))
        for mine, theirs in zip(got, expected, strict=True)
        for name, values in theirs.items()
    ]
    return float(np.max(errors))
