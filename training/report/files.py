"""Writes loss.csv and the plots of a fit into the report folder."""

from collections.abc import Sequence
from pathlib import Path

from diffeo.bundle import base
from diffeo.bundle.manifest import PLANE

from ..certification.subject import Subject
from ..fitting.evaluation import Evaluation
from ..recipe import Recipe
from ..source import Dataset
from . import plots


def write_report(
    dataset: Dataset, subject: Subject, records: Sequence[Evaluation], recipe: Recipe, folder: Path
) -> None:
    """Write loss.csv and the plots into the folder, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_losses(records, folder / "loss.csv")
    floor = dataset.target.entropy() if dataset.target is not None else None
    plots.loss(records, floor, folder / "loss.png")
    if subject.dimension == PLANE:
        normal = base.draw(recipe.fit.seed, 0, plots.POINTS, PLANE)
        image = subject.forward.run(dataset.split.test[: plots.POINTS])["z"]
        plots.forward(normal, image, recipe.name, folder / "forward.png")
        samples = subject.inverse.run(normal)["x"]
        plots.inverse(dataset.split.test, samples, recipe.name, dataset.columns, folder / "inverse.png")


def _write_losses(records: Sequence[Evaluation], path: Path) -> None:
    lines = ["step,epoch,train_nll,validation_nll,skipped,rollback"]
    lines += [
        f"{record.step},{record.epoch:.6g},{record.train_nll:.6f},{record.validation_nll:.6f},"
        f"{record.skipped},{record.rollback:d}"
        for record in records
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
