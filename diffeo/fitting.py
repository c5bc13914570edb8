"""`fit`: fits a flow to a DataFrame, an array or files from Python, and opens the published model."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .errors import requires_extra

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from diffeo.local.model import LocalModel
    from diffeo.tables.frames import Frame

Bounds = Mapping[str, tuple[float | None, float | None]]


def fit(  # noqa: PLR0913  (each is one option of `diffeo fit`)
    table: "Frame | ArrayLike | str | Path | Sequence[str | Path]",
    *,
    name: str = "model",
    models: str | Path | None = None,
    budget: str | None = None,
    steps: int | None = None,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    missing: Literal["refuse", "drop"] | None = None,
    missing_values: str | None = None,
    weights: str | None = None,
    bounds: Bounds | None = None,
    integers: Sequence[str] = (),
    min_rows: int | None = None,
    max_rows: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> "LocalModel":
    """Fit a flow, certify it, compare it with its data, and open the result.

    The same steps as `diffeo fit`, so the model can be served, and its report lies beside it. One Gaussian is the
    result where no flow is clearly better on the validation rows.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal([1.0, 2.0], [0.5, 3.0], size=(200, 2))
    >>> model = fit(rows, steps=1, quiet=True)
    >>> model.columns, model.sample(3, seed=7).shape
    (('x0', 'x1'), (3, 2))

    Args:
        table: a DataFrame of pandas or polars, an array [rows, columns], or paths and patterns of files.
        name: of the model.
        models: repository that the model is published to. Without it the model lies in a temporary folder until this
            process ends; `LocalModel.publish` keeps it.
        budget: time for the whole fit, such as "90s", "2m" or "1h30m"; by default the size of the table decides.
        steps: optimiser steps, in place of a budget.
        columns: the only columns that are fitted.
        drop: columns that are left out.
        missing: whether a row with a missing cell is an error or left out; an error by default.
        missing_values: cells that are missing, such as "-999,?".
        weights: name of the column of importance weights.
        bounds: least and greatest value of columns, such as {"share": (0, 1), "mass": (0, None)}.
        integers: columns that are fitted as whole numbers.
        min_rows: fewest rows; 50 by default.
        max_rows: a sample of so many rows is taken from a larger table.
        device: auto, cpu or cuda.
        threads: of the processor; measured by default.
        seed: of the split, the weights and the order of the rows.
        quiet: show no look at the table and no progress.

    Raises:
        TableError: the table cannot be read.
        TrainingError: the rows cannot be fitted; the message is the report of the table with all its faults.
        NotInstalled: the training packages are not installed.
    """
    with requires_extra("diffeo.fit", "train"):
        from diffeo.training import recipe, run  # noqa: PLC0415  (an installation for serving has no torch)
        from diffeo.training.source import read_in_memory  # noqa: PLC0415  (as above)
    from diffeo.local.model import open_model  # noqa: PLC0415  (as above)

    options: dict[str, object] = {
        "columns": tuple(columns), "drop": tuple(drop), "missing": missing, "missing_values": missing_values,
        "weights": weights, "bounds": None if bounds is None else _bounds(bounds), "integers": tuple(integers),
        "min_rows": min_rows, "max_rows": max_rows,
    }  # fmt: skip
    given = {key: value for key, value in options.items() if value not in {None, ()}}
    files = _files(table)
    the_recipe = recipe.for_files(files or [recipe.IN_MEMORY], name, given)
    the_recipe = recipe.with_fit_options(the_recipe, budget=budget, steps=steps, seed=seed)
    folder = _temporary_folder()
    repository = folder if models is None else Path(models)
    source = None if files else read_in_memory(the_recipe, table)
    settings = run.Options(repository, folder / "runs", device, threads=threads, quiet=quiet)
    report = run.run(the_recipe, settings, source)
    return open_model(repository, name, int(report.bundle.path.name))


def _files(table: object) -> list[str]:
    if isinstance(table, str | Path):
        return [str(table)]
    if isinstance(table, Sequence) and table and all(isinstance(each, str | Path) for each in table):
        return [str(each) for each in table]
    return []


def _bounds(bounds: Bounds) -> str:
    """The bounds as `--bounds` takes them; a name with a comma or a quote stands in quotes."""
    items = (
        f"{name}={'' if low is None else low}:{'' if high is None else high}" for name, (low, high) in bounds.items()
    )
    return ",".join('"' + item.replace('"', '""') + '"' for item in items)


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="diffeo-fit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
