"""Reports one column: its statistics and its kind, and the faults and notes about its values."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from diffeo.tables.cells import shown
from diffeo.tables.reading.fault import Fault
from diffeo.tables.reading.source_table import SourceColumn, SourceTable

from . import column_checks, column_names, kinds
from .choices import Bounds, Choices
from .column_checks import Identity
from .column_statistics import ColumnStatistics, Vector, measure
from .report import ColumnReport

WHOLE: Final = 1e-6
# Values that nearly always decide whether a column holds whole numbers.
WHOLE_FIRST: Final = 1000


@dataclass(slots=True)
class Seen:
    """The faults and notes about one column.

    Attributes:
        faults: what must be decided or corrected.
        notes: what is unusual.
        marked: values that probably mark its missing cells.
        marked_sentence: a sentence about them.
    """

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    marked: tuple[float, ...] = ()
    marked_sentence: str = ""


def identity_of(name: str, values: Vector) -> Identity | None:
    """Whether a column names its rows; missing cells are left out."""
    finite = values[np.isfinite(values)]
    # The statistics of a long column take a second, and a measured column is neither whole nor in order.
    if not len(finite) or not (_is_whole(finite) or bool((np.diff(finite) > 0).all())):
        return None
    return column_checks.identity(name, finite, measure(finite))


def _is_whole(values: Vector) -> bool:
    return bool((values[:WHOLE_FIRST] == np.round(values[:WHOLE_FIRST])).all() and (values == np.round(values)).all())


def report(column: SourceColumn, measured: ColumnStatistics, missing: int, choices: Choices) -> ColumnReport:
    """The report of a column that is used."""
    kind = kinds.propose(measured, choices.bounds_of(column.name), integer=column.name in choices.integers)
    return ColumnReport(
        column.name, column.holds, kind, measured.minimum, measured.maximum, measured.mean, measured.std, missing,
        measured.distinct, measured.most_common, measured.most_common_share, measured.decimals,
    )  # fmt: skip


def left_out(column: SourceColumn, measured: ColumnStatistics, reason: str) -> ColumnReport:
    """The report of a column of numbers that is left out."""
    return ColumnReport(
        column.name, column.holds, None, measured.minimum, measured.maximum, measured.mean, measured.std,
        column.missing, measured.distinct, measured.most_common, measured.most_common_share, measured.decimals,
        used=False, reason=reason,
    )  # fmt: skip


def examine(table: SourceTable, name: str, cells: Vector, measured: ColumnStatistics, choices: Choices) -> Seen:
    """The faults and notes about the values of a column that is used and is not constant."""
    seen = Seen()
    _examine_choices(table, name, cells, choices, seen)
    seen.marked = column_checks.markers(measured)
    if seen.marked:
        seen.marked_sentence = _marked_sentence(seen.marked, name, measured)
    elif (far := column_checks.furthest(measured)) is not None:
        place = table.where(int(np.flatnonzero(cells == far)[0]))
        near = f"half of the column lies within {measured.iqr:.3g} of {measured.median:.3g}"
        seen.notes.append(f"{place}, column {shown(name)}, holds {far:.6g}; {near}")
    if why := column_checks.beyond_float32(measured):
        seen.notes.append(f"the column {shown(name)} {why}; it is shifted and scaled before the fit")
    if (rare := column_checks.rare_rows(measured)) is not None:
        rows = "row" if rare == 1 else "rows"
        seen.notes.append(f"the column {shown(name)} holds {measured.most_common:.6g} in all but {rare} {rows}")
    return seen


def _examine_choices(table: SourceTable, name: str, cells: Vector, choices: Choices, seen: Seen) -> None:
    bounds = choices.bounds_of(name)
    if bounds is not None:
        outside = np.isfinite(cells) & _outside(cells, bounds)
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            count = int(np.count_nonzero(outside))
            what = f"{table.where(row)} holds {cells[row]:.6g} in column {shown(name)}, outside of its bounds"
            seen.faults.append(Fault(f"{what} (rows outside: {count})", f"--bounds {_wider(name, cells, bounds)}"))
    if name in choices.integers:
        wrong = np.isfinite(cells) & (np.abs(cells - np.round(cells)) > WHOLE)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            what = f"{table.where(row)} holds {cells[row]:.6g} in column {shown(name)}, which is no whole number"
            seen.faults.append(Fault(f"{what}; leave the column out of", "--integers"))


def _outside(cells: Vector, bounds: Bounds) -> np.ndarray:
    low = cells < bounds.low if bounds.low is not None else np.zeros(len(cells), np.bool_)
    high = cells > bounds.high if bounds.high is not None else np.zeros(len(cells), np.bool_)
    return np.asarray(low | high)


def _wider(name: str, cells: Vector, bounds: Bounds) -> str:
    low = "" if bounds.low is None else f"{min(bounds.low, float(np.nanmin(cells))):.6g}"
    high = "" if bounds.high is None else f"{max(bounds.high, float(np.nanmax(cells))):.6g}"
    return column_names.quoted([f"{name}={low}:{high}"])


def _marked_sentence(marked: tuple[float, ...], name: str, measured: ColumnStatistics) -> str:
    rest = measured.values[~np.isin(measured.values, marked)]
    counts = [int(measured.counts[measured.values == value][0]) for value in marked]
    held = " and ".join(
        f"{value:.10g} in {count} row{'s' * (count != 1)}" for value, count in zip(marked, counts, strict=True)
    )
    values = f"{rest[0]:.6g} to {rest[-1]:.6g}"
    return f"the column {shown(name)} holds {held}, far from its other values ({values})"
