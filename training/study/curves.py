"""Reads and writes curves.csv: the losses of every trial, one line per epoch."""

import csv
import io
from collections.abc import Mapping, Sequence

from ..fitting.evaluation import Evaluation

Curves = Mapping[str, Sequence[Evaluation]]  # by the id of the trial
# "setback" is the column of the committed file for Evaluation.rollback.
HEAD = ("id", "epoch", "train_nll", "validation_nll", "skipped", "setback")


def to_csv(curves: Curves) -> str:
    """The content of curves.csv, sorted by the id of the trial."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEAD)
    for name in sorted(curves):
        for record in curves[name]:
            losses = f"{record.train_nll:.6g}", f"{record.validation_nll:.6g}"
            writer.writerow([name, round(record.epoch), *losses, record.skipped, int(record.rollback)])
    return buffer.getvalue()


def from_csv(text: str) -> dict[str, list[Evaluation]]:
    """The records in the content of a curves.csv."""
    curves: dict[str, list[Evaluation]] = {}
    for line in csv.DictReader(io.StringIO(text)):
        losses = float(line["train_nll"]), float(line["validation_nll"])
        record = Evaluation(int(line["epoch"]), *losses, int(line["skipped"]), rollback=line["setback"] == "1")
        curves.setdefault(line["id"], []).append(record)
    return curves
