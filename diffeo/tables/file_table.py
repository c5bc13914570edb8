"""The tables that a file can hold: a strict text, an array, or columns with names; `select` gives a model's rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffeo.density import Rows

from . import arrays, columns, csv_text
from .cells import shown
from .csv import CsvTable
from .csv_numbers import Wrong
from .errors import WrongType
from .reading.options import ReadOptions
from .reading.source_table import SourceColumn, SourceTable, Values
from .reading.text import strict_header


@dataclass(frozen=True, slots=True)
class NpyTable:
    """The array of a .npy file: a table without names, or records with names."""

    array: npt.NDArray[np.generic]

    def select(self, names: Sequence[str], wrong: Wrong = "refuse") -> Rows:
        """The columns of these names; by position where the array has no names.

        Raises:
            WrongTable: a column is missing, or the number of columns differs.
        """
        _ = wrong  # all values of an array have one type, so no single cell can be wrong
        if arrays.is_records(self.array):
            return arrays.of_records(self.array, names)
        columns.check_width(self.array.shape[1], names)
        return arrays.rows(self.array)


@dataclass(frozen=True, slots=True)
class NamedTable:
    """The table in a Parquet or Arrow file, or in an archive of vectors."""

    table: SourceTable

    def select(self, names: Sequence[str], wrong: Wrong = "refuse") -> Rows:
        """The columns of these names; by position where the table has no names.

        Raises:
            WrongTable: a column is missing, or holds no numbers.
        """
        _ = wrong  # all values of a column have one type, so no single cell can be wrong
        own = [column for column in self.table.columns if not column.is_index or column.name in names]
        if self.table.names_from == "numbered":
            columns.check_width(len(own), names)
            positions = list(range(len(own)))
        else:
            positions = columns.positions([column.name for column in own], names)
        return np.stack([_numbers(own[position]) for position in positions], axis=1)


def _numbers(column: SourceColumn) -> Values:
    if column.values is None or column.holds not in {"numbers", "nothing"}:
        raise WrongType(f"the column {shown(column.name)} holds {column.holds}; expected numbers")
    return column.values


@dataclass(frozen=True, slots=True)
class TextTable:
    """The strict text of a file. Its header may depend on the names of the model."""

    name: str
    text: bytes
    options: ReadOptions

    def select(self, names: Sequence[str], wrong: Wrong = "refuse") -> Rows:
        """The columns of these names; by position where line 1 does not name them.

        Raises:
            WrongTable: a column is missing, or a cell or row is wrong.
        """
        return self._table(names).select(names, wrong)

    def _table(self, names: Sequence[str]) -> CsvTable:
        header = strict_header.read_header(self.text, self.options, self.name, names)
        return CsvTable(header, csv_text.body(self.text, header.begin))
