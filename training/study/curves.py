"""The losses by epoch of every trial: curves.csv, one line an epoch."""

import csv
import io
from collections.abc import Mapping, Sequence

from ..fit import EpochRecord

Curves = Mapping[str, Sequence[EpochRecord]]  # by the id of the trial


def to_csv(curves: Curves) -> str:
    """The text of curves.csv."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["id", "epoch", "train_nll", "validation_nll", "skipped", "setback"])
    for name in sorted(curves):
        for line in curves[name]:
            losses = f"{line.train_nll:.6g}", f"{line.validation_nll:.6g}"
            writer.writerow([name, line.epoch, *losses, line.skipped, int(line.rollback)])
    return buffer.getvalue()


def from_csv(text: str) -> dict[str, list[EpochRecord]]:
    """The losses in a curves.csv that this program wrote."""
    curves: dict[str, list[EpochRecord]] = {}
    for line in csv.DictReader(io.StringIO(text)):
        losses = float(line["train_nll"]), float(line["validation_nll"])
        epoch = EpochRecord(int(line["epoch"]), *losses, int(line["skipped"]), rollback=line["setback"] == "1")
        curves.setdefault(line["id"], []).append(epoch)
    return curves
