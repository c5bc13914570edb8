"""Writes report.html, loss.csv, the plot of the losses and the look at the table into the report folder of a bundle."""

import json
from collections.abc import Sequence
from pathlib import Path

from ..fitting.evaluation import Evaluation
from ..inspection import TableReport, to_json
from . import plots
from .page.content import ReportContent
from .page.render import write_page


def write_report(page: ReportContent, records: Sequence[Evaluation], table: TableReport | None, folder: Path) -> None:
    """Write the files of a report into the folder, which is created.

    Args:
        page: the content of report.html.
        records: one for each evaluation of the fit.
        table: the look at the table, for table.json; None if the rows were drawn.
        folder: beside the bundle.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_losses(records, folder / "loss.csv")
    if records:
        plots.loss(records, None if page.curve is None else page.curve.floor, folder / "loss.png")
    if table is not None:
        (folder / "table.json").write_text(json.dumps(to_json(table), indent=1) + "\n", encoding="utf-8")
    write_page(page, folder)


def _write_losses(records: Sequence[Evaluation], path: Path) -> None:
    lines = ["step,epoch,train_nll,validation_nll,skipped,rollback"]
    lines += [
        f"{record.step},{record.epoch:.6g},{record.train_nll:.6f},{record.validation_nll:.6f},"
        f"{record.skipped},{record.rollback:d}"
        for record in records
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
