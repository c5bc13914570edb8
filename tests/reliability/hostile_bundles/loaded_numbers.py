"""Loads changed bundles, and compares each that loads with the original on 10,000 rows over the support."""

import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle import base
from diffeo.bundle.errors import BundleError
from diffeo.bundle.read import read
from diffeo.training.graph_session import Graph

from . import mutations
from .sealing import Files, check, files_of, publish

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
        crashed: description and error of each that raised something else than a refusal.
        largest: largest error of one that loaded.
        reasons: number of refusals by class.
    """

    tried: int = 0
    loaded: int = 0
    wrong: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    largest: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)


def resealed(path: Path, count: int, seed: int) -> Counts:
    """Change and seal the bundle at `path` `count` times."""
    files, generator, counts = files_of(path), random.Random(seed), Counts()
    z = base.draw(seed, 0, ROWS, read(path).manifest.dimension)
    expected = _answers(files, z)
    for _ in range(count):
        mutation = mutations.resealed(files, generator)
        counts.tried += 1
        try:
            forward, inverse = check(mutation.files)
        except BundleError as refusal:
            counts.reasons[type(refusal).__name__] += 1
            continue
        except Exception as error:  # any other error of a runtime is a refusal of the version too, and is counted
            counts.reasons[type(error).__name__] += 1
            if "onnxruntime" not in type(error).__module__:
                counts.crashed.append(f"{mutation.about}: {error!r}"[:300])
            continue
        counts.loaded += 1
        error = _largest_error(forward, inverse, z, expected)
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
                counts.reasons[type(refusal).__name__] += 1
            else:
                counts.loaded += 1
                counts.wrong.append(f"{name} changed")
            (copy / name).write_bytes(files[name])
        shutil.rmtree(copy)
    return counts


def _answers(files: Files, z: Rows) -> tuple[dict[str, Rows], dict[str, Rows]]:
    forward, inverse = Graph(files["forward.onnx"]), Graph(files["inverse.onnx"])
    drawn = inverse.run(z)
    return forward.run(drawn["x"]), drawn


def _largest_error(forward: Graph, inverse: Graph, z: Rows, expected: tuple[dict[str, Rows], dict[str, Rows]]) -> float:
    at_x, at_z = expected
    errors = [_error(forward.run(at_z["x"]), at_x), _error(inverse.run(z), at_z)]
    return float(np.max(errors))


def _error(got: dict[str, Rows], expected: dict[str, Rows]) -> float:
    return max(
        float(np.max(np.abs(got[name] - values) / np.maximum(1, np.abs(values)))) for name, values in expected.items()
    )
