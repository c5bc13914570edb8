"""Renders report.html from its content, and writes it into the report folder of a bundle."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from diffeo.bundle.schema.quality import LEVEL, QUANTILE_LEVELS, Quality

from ...quality.findings.losses import described, difference
from ...quality.findings.wording import p_value, percent
from ...quality.verdict import by_importance
from . import corner, curves
from .content import ReportContent

FILE_NAME: Final = "report.html"
TEMPLATE: Final = "report.html.jinja"
# A corner plot of more columns has panels too small to read.
CORNER_COLUMNS: Final = 8
QUANTILE_COLUMNS: Final = 16


def write_page(content: ReportContent, folder: Path) -> Path:
    """Write report.html into the folder, which is created; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    path.write_text(render(content), encoding="utf-8")
    return path


def render(content: ReportContent) -> str:
    """The page as HTML: one file that names no other host and holds no script."""
    worst = worst_columns(content.quality, content.columns)
    held_out, samples = _finite(content.held_out), _finite(content.samples)
    cornered, compared = (sorted(worst[:limit]) for limit in (CORNER_COLUMNS, QUANTILE_COLUMNS))
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            content=content,
            quality=content.quality,
            findings=by_importance(content.quality.findings),
            level=LEVEL,
            quantile_levels=QUANTILE_LEVELS,
            corner=corner.corner(held_out[:, cornered], samples[:, cornered], _names(content, cornered)),
            corner_columns=len(cornered),
            quantile_plots=curves.quantile_plots(
                held_out[:, compared], samples[:, compared], _names(content, compared)
            ),
            losses=None if content.curve is None else curves.losses(content.curve),
            scores=curves.scores(_finite(content.log_prob_held_out), _finite(content.log_prob_samples)),
            kinds=dict(zip(content.columns, content.kinds, strict=True)) if content.kinds else {},
            commands=commands(content.models, content.name, content.version),
        )
    )


def worst_columns(quality: Quality, columns: Sequence[str]) -> list[int]:
    """Indices of the columns, those that differ most first.

    The smallest of the p-values of a column and of its pairs decides, then its statistic.
    """
    smallest = {
        column.name: (min(column.p_value, column.tails_p_value), -column.statistic) for column in quality.columns
    }
    for pair in quality.pairs:
        for name in (pair.first, pair.second):
            if name in smallest and pair.p_value < LEVEL:
                smallest[name] = min(smallest[name], (pair.p_value, -1.0))
    return sorted(range(len(columns)), key=lambda index: smallest.get(columns[index], (1.0, 0.0)))


def commands(models: str, name: str, version: int) -> tuple[tuple[str, str], ...]:
    """The next commands, each with its purpose."""
    place = shlex.quote(f"{models}/{name}/{version}")
    chosen = f"--model {name} --models {shlex.quote(models)}"
    return (
        ("draw new rows", f"diffeo sample {chosen} -n 1000 --seed 7 --out samples.csv"),
        ("score rows", f"diffeo log-prob rows.csv {chosen} --out scores.csv"),
        ("print the summary of this page", f"diffeo inspect {place}"),
        ("measure the graphs again", f"diffeo certify {place}"),
        ("serve the model over HTTP", f"diffeo serve --models {shlex.quote(models)}"),
    )


def _names(content: ReportContent, indices: Sequence[int]) -> list[str]:
    return [content.columns[index] for index in indices]


def _finite(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    finite = np.isfinite(numbers)
    return numbers[finite.all(axis=1) if numbers.ndim > 1 else finite]


def _environment() -> Environment:
    # StrictUndefined: a missing variable raises an error instead of rendering as nothing.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Names of columns come from a file of the user.
        autoescape=True,
    )
    environment.filters |= {"percent": percent, "p_value": p_value, "described": described, "number": number}
    environment.globals |= {"difference": difference}
    return environment


def number(value: float) -> str:
    """Nats in a table; less than a millionth is rounding.

    >>> number(1234567.0), number(0.5), number(-3e-8)
    ('1.2346e+06', '0.5', '0')
    """
    return f"{round(value, 6) + 0.0:.5g}"
