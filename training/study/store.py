"""Caches outcomes of trials and rows of probes, so that an interrupted study continues. Writes are atomic."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..fitting.evaluation import Evaluation
from .results import Row
from .trial import Outcome


def has(folder: Path, digest: str) -> bool:
    """Whether an outcome of the same settings and code is in the cache."""
    return (folder / digest).exists()


def save(folder: Path, digest: str, outcome: Outcome) -> None:
    """Stores an outcome. A crash leaves nothing under the digest."""
    draft = folder / f".{digest}.{os.getpid()}"
    draft.mkdir(parents=True)
    text = {"metrics": outcome.metrics, "records": [asdict(record) for record in outcome.records]}
    (draft / "outcome.json").write_text(json.dumps(text), encoding="utf-8")
    np.savez_compressed(draft / "points.npz", **outcome.points)  # type: ignore[arg-type]  # the stub takes one bool for all
    (draft / "flow.safetensors").write_bytes(outcome.flow)
    try:
        draft.rename(folder / digest)
    except OSError:  # another process has stored the same outcome
        shutil.rmtree(draft)


def load(folder: Path, digest: str) -> Outcome:
    """Returns the stored outcome."""
    stored = folder / digest
    text = json.loads((stored / "outcome.json").read_text(encoding="utf-8"))
    with np.load(stored / "points.npz") as arrays:
        points = dict(arrays)
    records = tuple(Evaluation(**record) for record in text["records"])
    return Outcome(text["metrics"], records, points, (stored / "flow.safetensors").read_bytes())


def save_rows(folder: Path, digest: str, rows: Sequence[Row]) -> None:
    """Stores the rows of a probe."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{digest}.{os.getpid()}"
    draft.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
    draft.replace(folder / digest)


def load_rows(folder: Path, digest: str) -> list[Row]:
    """Returns the stored rows of a probe."""
    return [Row(**row) for row in json.loads((folder / digest).read_text(encoding="utf-8"))]
