"""What was measured before, one folder or file a digest: written whole or not at all, so that a study resumes."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..fit import EpochRecord
from .results import Row
from .trial import Outcome


def has(folder: Path, digest: str) -> bool:
    """Whether this was measured before, with the same settings and code."""
    return (folder / digest).exists()


def save(folder: Path, digest: str, outcome: Outcome) -> None:
    """Keep an outcome; a crash leaves nothing under the digest."""
    draft = folder / f".{digest}.{os.getpid()}"
    draft.mkdir(parents=True)
    text = {"figures": outcome.figures, "record": [asdict(line) for line in outcome.record]}
    (draft / "outcome.json").write_text(json.dumps(text), encoding="utf-8")
    np.savez_compressed(draft / "points.npz", **outcome.points)  # type: ignore[arg-type]  # the stub takes one bool for all
    (draft / "flow.safetensors").write_bytes(outcome.flow)
    try:
        draft.rename(folder / digest)
    except OSError:  # another study of the same settings was faster
        shutil.rmtree(draft)


def load(folder: Path, digest: str) -> Outcome:
    """The outcome that was kept."""
    place = folder / digest
    text = json.loads((place / "outcome.json").read_text(encoding="utf-8"))
    with np.load(place / "points.npz") as arrays:
        points = dict(arrays)
    record = tuple(EpochRecord(**line) for line in text["record"])
    return Outcome(text["figures"], record, points, (place / "flow.safetensors").read_bytes())


def save_rows(folder: Path, digest: str, rows: Sequence[Row]) -> None:
    """Keep the rows of a probe."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{digest}.{os.getpid()}"
    draft.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
    draft.replace(folder / digest)


def load_rows(folder: Path, digest: str) -> list[Row]:
    """The rows that were kept."""
    return [Row(**row) for row in json.loads((folder / digest).read_text(encoding="utf-8"))]
