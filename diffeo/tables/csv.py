"""A CSV text as a table: the names of its columns, and the numbers of chosen columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import columns, csv_numbers, csv_readable, csv_records, csv_text
from .csv_numbers import Numbers, Wrong
from .csv_readable import Readable, Size
from .csv_text import Header


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A CSV text. Its header is read; its rows are read on demand.

    Attributes:
        header: the content of line 1.
        text: the text of the rows.
    """

    header: Header
    text: bytes

    def rows(self, wanted: Sequence[int] | None = None, wrong: Wrong = "refuse") -> Numbers:
        """The numbers of the columns at these positions (None: of all); raises the errors of `csv_numbers.numbers`."""
        positions = range(self.header.width) if wanted is None else wanted
        return csv_numbers.numbers(self.text, self.header, positions, wrong)

    def readable(self, most: Size | None = None) -> Readable:
        """The numbers of every column that holds numbers; raises the errors of `csv_readable.readable`."""
        return csv_readable.readable(self.text, self.header, most)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """The cells of each row as text, with the line on which the row begins."""
        return csv_records.records(self.text.decode(), self.header.lines + 1)

    def select(self, names: Sequence[str], wrong: Wrong = "refuse") -> Numbers:
        """The numbers of the columns of these names, in their order; by position where the table has no names.

        Raises:
            WrongTable: the table lacks a column, or a cell or a row of it is wrong.
        """
        if self.header.names is not None:
            return self.rows(columns.positions(self.header.names, names), wrong)
        columns.check_width(self.header.width, names)
        return self.rows(None, wrong)


def read(content: bytes) -> CsvTable:
    r"""Read the header of a CSV text.

    >>> table = read(b"weight,height\n-2,1\n,3\n")
    >>> table.header.names
    ('weight', 'height')
    >>> table.select(["height", "weight"]).tolist()
    [[1.0, -2.0], [3.0, nan]]

    Raises:
        WrongTable: line 1 is no header and no row, or the text is not UTF-8.
    """
    header = csv_text.header(content)
    return CsvTable(header, csv_text.body(content, header.begin))
