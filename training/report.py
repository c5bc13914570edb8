"""Describes a fit: calibration and provenance for the manifest; loss.csv and plots in the report folder."""

import datetime as dt
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle import base
from diffeo.bundle.manifest import PLANE, Calibration, Provenance

from . import plots, source
from .certification.subject import Subject
from .fitting.evaluation import Evaluation
from .recipe import Recipe
from .source import Dataset

Array = npt.NDArray[np.float64]

FRESH_ROWS: Final = 50_000
LEVELS: Final = (0.0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


def kl_to_truth(dataset: Dataset, subject: Subject, recipe: Recipe) -> float | None:
    """KL(truth || model) in nats: the mean of log p_true - log p_model over 50,000 fresh points; None for a file."""
    if dataset.target is None:
        return None
    fresh = dataset.target.draw(FRESH_ROWS, source.stream(recipe.fit.seed, "fresh points"))
    model = subject.forward.run(fresh)["log_prob"].astype(np.float64)
    return float((dataset.target.log_prob(fresh) - model).mean())


def calibration(log_prob: Array, weights: Array | None = None) -> Calibration:
    """Quantiles of the log_prob [rows] of the held-out rows, nats, weighted by weights [rows] if given."""
    if weights is None:
        values = np.quantile(log_prob, LEVELS)
    else:  # NumPy has weights for this method alone
        values = np.quantile(log_prob, LEVELS, weights=weights, method="inverted_cdf")
    quantiles = tuple(float(value) for value in values)
    return Calibration(rows=len(log_prob), levels=LEVELS, log_prob=quantiles)


def provenance(recipe: Recipe, dataset: Dataset, parameters: int, test_nll: float, kl: float | None) -> Provenance:
    """Recipe, data, versions and losses of a fit, for the manifest."""
    packages = ("diffeo", "torch", "onnx", "onnxscript", "numpy")
    return Provenance(
        name=recipe.name,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        recipe=recipe.flat(),
        data_sha256=dataset.sha256,
        data_rows=dataset.rows,
        versions={name: importlib.metadata.version(name).split("+")[0] for name in packages},
        parameters=parameters,
        test_rows=len(dataset.split.test),
        test_nll=test_nll,
        kl_to_truth=kl,
    )


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
