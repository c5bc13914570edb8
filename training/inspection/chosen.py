"""`chosen`: the rows, weights and kinds that a fit takes from a table, as its report decided."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffeo.tables.reading.source_table import SourceTable

from ..errors import DataError
from . import row_checks
from .choices import Choices
from .report import ColumnKind, TableReport


@dataclass(frozen=True, slots=True)
class Chosen:
    """The part of a table that a fit takes.

    Attributes:
        columns: D names.
        kinds: how each column is to be fitted.
        rows: complete and finite rows [n, D].
        weights: importance weights [n], 0 or more; None if the rows have none.
        row_numbers: index of each row among the rows that were read, from 0.
    """

    columns: tuple[str, ...]
    kinds: tuple[ColumnKind, ...]
    rows: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64] | None
    row_numbers: npt.NDArray[np.int64]


def chosen(table: SourceTable, report: TableReport, choices: Choices) -> Chosen:
    """The rows that the report of a table keeps.

    >>> from diffeo.tables.reading.read import read_table
    >>> from .inspect_table import inspect
    >>> table = read_table(np.random.default_rng(0).normal(size=(600, 2)))
    >>> chosen(table, inspect(table, Choices()), Choices()).rows.shape
    (600, 2)

    Args:
        table: the table.
        report: its report, without faults.
        choices: the choices of the report.

    Raises:
        DataError: the report has faults.
    """
    if not report.ok:
        raise DataError("; ".join(str(fault) for fault in report.faults))
    by_name = {column.name: column for column in table.columns}
    names = tuple(column.name for column in report.used)
    names = tuple(sorted(names, key=choices.columns.index)) if choices.columns else names
    kinds = {column.name: column.kind for column in report.used}
    columns = [row_checks.with_missing(by_name[name], choices) for name in names]
    weights = None if choices.weights is None else row_checks.with_missing(by_name[choices.weights], choices)
    kept = row_checks.kept_rows(table, columns if weights is None else [*columns, weights])
    numbers = np.arange(table.rows) if table.row_numbers is None else table.row_numbers
    every = bool(kept.all())
    rows = np.empty((int(np.count_nonzero(kept)), len(names)))
    for position, values in enumerate(columns):
        rows[:, position] = values if every else values[kept]
    return Chosen(
        names,
        tuple(kinds[name] or ColumnKind() for name in names),
        rows,
        None if weights is None else weights[kept],
        numbers if every else numbers[kept],
    )
