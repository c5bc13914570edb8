"""Reads, writes and filters results.csv: one row per trial or probe, first its settings, then its metrics."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .populations import LAWS, TABLES
from .trial import Outcome, Trial

Value = str | int | float | None

SETTINGS: Final = (
    "id", "experiment", "data", "layers", "hidden", "epochs", "block", "det", "severed", "seed",
)  # fmt: skip
METRICS: Final = (
    "parameters", "steps_per_epoch", "seconds_per_epoch", "setbacks", "skipped",
    "nll", "kl", "kl_error", "kl_tail", "mean_ladj", "sample_entropy", "coverage", "density",
    "round_trip", "log_prob_error", "refused", "condition", "log_det_a", "diagonal_error",
    "best_epoch", "half_nll", "steps_to_level",
    "columns", "entropy", "log_scale", "formula_seconds", "jacobian_seconds", "ladj_error", "mass", "mass_without_det",
    "microseconds_per_sample", "parity",
)  # fmt: skip
DIGITS: Final = 6
_DATA_ORDER: Final = {name: float(index) for index, name in enumerate([*LAWS, *TABLES])}


@dataclass(frozen=True, slots=True)
class Row:
    """Settings and metrics of one trial or probe; those that do not apply are absent."""

    settings: Mapping[str, Value]
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over the seeds: its mean, its lowest and its highest value."""

    mean: float
    low: float
    high: float

    def plus(self, shift: float) -> "Spread":
        """All three values plus `shift`."""
        return Spread(self.mean + shift, self.low + shift, self.high + shift)

    def __str__(self) -> str:
        """Mean and range; only the mean if all three look the same."""
        mean, low, high = map(number, (self.mean, self.low, self.high))
        return mean if low == high else f"{mean} ({low} to {high})"


class Results:
    """A table of rows that can be filtered by their settings."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, **settings: Value) -> "Results":
        """The rows with these settings."""
        return Results(row for row in self.rows if all(row.settings.get(key) == v for key, v in settings.items()))

    def values(self, metric: str) -> list[float]:
        """The metric of each row that has it, in the order of the seeds."""
        ordered = sorted(self.rows, key=lambda row: str(row.settings.get("seed")))
        return [row.metrics[metric] for row in ordered if metric in row.metrics]

    def spread(self, metric: str) -> Spread:
        """Mean, lowest and highest value of the metric over the rows."""
        values = self.values(metric)
        return Spread(sum(values) / len(values), min(values), max(values))

    def distinct(self, setting: str) -> list[Value]:
        """The different values of a setting, without None: numbers ascending, names in the order of the rows."""
        found = dict.fromkeys(row.settings.get(setting) for row in self.rows)
        values = [value for value in found if value is not None]
        return sorted(values, key=_as_number)

    def has(self, metric: str) -> bool:
        """Whether any row has the metric."""
        return any(metric in row.metrics for row in self.rows)


def row(trial: Trial, outcome: Outcome) -> Row:
    """Makes the row of a trial."""
    settings: dict[str, Value] = {
        "id": trial.id,
        "experiment": trial.experiment,
        "data": trial.data,
        "layers": trial.flow.layers,
        "hidden": trial.flow.hidden,
        "epochs": trial.fit.epochs,
        "block": trial.flow.block,
        "det": trial.flow.det,
        "severed": int(trial.severed),
        "seed": trial.fit.seed,
    }
    records = outcome.records
    best = min(records, key=lambda record: record.validation_nll)
    half = records[len(records) // 2 - 1 if len(records) > 1 else 0]
    values = outcome.metrics | {"best_epoch": float(best.epoch), "half_nll": half.validation_nll}
    return Row(settings, values)


def to_csv(results: Results) -> str:
    """The content of results.csv, sorted by the settings of the rows."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*SETTINGS, *METRICS])
    lines: list[list[str]] = [
        [_cell(row.settings.get(name)) for name in SETTINGS] + [_cell(row.metrics.get(name)) for name in METRICS]
        for row in results
    ]
    ordered = sorted(lines, key=_sort_key)
    writer.writerows(ordered)
    return buffer.getvalue()


def from_csv(text: str) -> Results:
    """The rows in the content of a results.csv."""
    rows = []
    for line in csv.DictReader(io.StringIO(text)):
        settings = {name: _setting(name, line[name]) for name in SETTINGS}
        values = {name: float(line[name]) for name in METRICS if line.get(name)}
        rows.append(Row(settings, values))
    return Results(rows)


def number(value: float) -> str:
    """Three significant digits, for example `0.123`, `1,979` or `1.2e-7`."""
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-3 or size >= 1e6:  # noqa: PLR2004  (powers of ten are easier to read beyond these)
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    if size >= 1000:  # noqa: PLR2004  (as above)
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".") if round(size, 3) >= 1 else f"{value:.3f}"


def _as_number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _cell(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def _sort_key(cells: list[str]) -> list[tuple[int, float, str]]:
    experiment, data, *others = cells[1:]
    # Data sets have the order of populations.py.
    return [_sortable(experiment), (0, _DATA_ORDER.get(data, 0.0), ""), *map(_sortable, others)]


def _sortable(cell: str) -> tuple[int, float, str]:
    try:
        return (0, float(cell), "")
    except ValueError:
        return (1, 0.0, cell)


def _setting(name: str, cell: str) -> Value:
    if not cell:
        return None
    if name in {"id", "experiment", "data"}:
        return cell
    return float(cell) if name == "det" else int(cell)
