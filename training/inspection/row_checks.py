"""Decides which rows are kept, and finds wrong cells, missing cells and wrong weights."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.tables.cells import shown
from diffeo.tables.reading.fault import Fault
from diffeo.tables.reading.source_table import SourceColumn, SourceTable

from . import column_names
from .choices import Choices
from .column_statistics import Vector

Mask = npt.NDArray[np.bool_]

SHOWN_COLUMNS: Final = 4
MOSTLY_MISSING: Final = 0.5


def with_missing(column: SourceColumn, choices: Choices) -> Vector:
    """The numbers of a column, NaN where a cell holds a value that marks a missing one."""
    values = column.values
    assert values is not None  # noqa: S101  (only columns of numbers are candidates)
    if not choices.missing_values:
        return values
    marked = np.isin(values, choices.missing_values)
    return np.where(marked, np.nan, values) if marked.any() else values


def kept_rows(table: SourceTable, columns: Sequence[Vector]) -> Mask:
    """True for each row that is complete and finite in these columns."""
    kept = np.ones(table.rows, np.bool_)
    for values in columns:
        kept &= np.isfinite(values)
    return kept


def missing_faults(
    table: SourceTable, used: Sequence[SourceColumn], values: dict[str, Vector], choices: Choices, kept: Mask
) -> list[Fault]:
    """A fault for the wrong cells of each column, and one for all missing cells if these are not to be dropped."""
    faults = [_wrong_cells(table, column) for column in used if column.wrong_count]
    counts: list[tuple[str, int]] = []
    for column in used:
        unusable = int(np.count_nonzero(~np.isfinite(values[column.name])))
        if unusable > column.wrong_count:
            counts.append((column.name, unusable - column.wrong_count))
    if choices.missing == "drop" or not counts:
        return faults
    counts.sort(key=lambda each: -each[1])
    text = ", ".join(f"{shown(name)} in {count}" for name, count in counts[:SHOWN_COLUMNS])
    more = f" and {len(counts) - SHOWN_COLUMNS} more columns" if len(counts) > SHOWN_COLUMNS else ""
    first = np.flatnonzero(~np.isfinite(values[counts[0][0]]))[0]
    rows = int(np.count_nonzero(~kept))
    sentence = f"cells are missing or infinite: {text}{more} of {table.rows} rows, first in {table.where(int(first))}"
    mostly = [name for name, count in counts if count > MOSTLY_MISSING * table.rows]
    if mostly:
        return [
            *faults,
            Fault(sentence, f"{column_names.drop(mostly)}, or --missing drop, which leaves {rows} rows out"),
        ]
    return [*faults, Fault(sentence, f"--missing drop leaves {rows} row{'s' * (rows != 1)} out")]


def weight_faults(table: SourceTable, choices: Choices, values: dict[str, Vector]) -> list[Fault]:
    """A fault if the column of weights holds a negative number or nothing but zeros."""
    weights = None if choices.weights is None else values.get(choices.weights)
    if weights is None:
        return []
    finite = np.isfinite(weights)
    faults: list[Fault] = []
    negative = finite & (weights < 0)
    if negative.any():
        row = int(np.flatnonzero(negative)[0])
        faults.append(
            Fault(f"{table.where(row)} holds the weight {weights[row]:.6g}; a weight is 0 or more", "--weights")
        )
    elif not (weights[finite] > 0).any():
        faults.append(
            Fault(f"no weight of the column {shown(choices.weights)} is above 0; name another column", "--weights")
        )
    if not finite.all() and choices.missing == "refuse":
        row = int(np.flatnonzero(~finite)[0])
        count = int(np.count_nonzero(~finite))
        faults.append(Fault(f"{count} weights are missing, first in {table.where(row)}", "--missing drop"))
    return faults


def _wrong_cells(table: SourceTable, column: SourceColumn) -> Fault:
    first = column.wrong[0]
    count = column.wrong_count
    more = "" if count == 1 else f"; {count} cells of the column are no numbers"
    words = list(dict.fromkeys(cell.text.strip("'\"") for cell in column.wrong))
    marks = f"--missing drop --missing-values={column_names.quoted(words)} if such a cell is missing"
    option = f"{marks}, {column_names.drop([column.name])} leaves the column out"
    return Fault(f"{table.place(first.row)}, column {shown(column.name)}: {first.text} is no number{more}", option)
