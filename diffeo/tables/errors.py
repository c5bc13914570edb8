"""Errors for a table that a model cannot read. Each class names one reason.

WrongTable
├── UnreadableTable   the text is not UTF-8, is empty, or has a quote that does not enclose its cell
├── MixedHeader       line 1 holds names and numbers
├── RaggedRow         a row has too few or too many cells
├── WrongCell         a cell is neither a number nor missing
├── TooManyCells      the table has more rows or cells than its reader takes
├── WrongType         an array or a column holds values of a type that is not a number
└── WrongColumns      the columns are not those of the model
"""

from diffeo.errors import WrongTable


class UnreadableTable(WrongTable):
    """The text is not a table.

    Attributes:
        row: index of the row with the error, from 0; None if it is not known.
    """

    def __init__(self, sentence: str, row: int | None = None) -> None:
        super().__init__(sentence)
        self.row = row


class MixedHeader(WrongTable):
    """Line 1 holds names and numbers."""


class RaggedRow(WrongTable):
    """A row has too few or too many cells.

    Attributes:
        row: index of the row, from 0.
    """

    def __init__(self, sentence: str, row: int) -> None:
        super().__init__(sentence)
        self.row = row


class WrongCell(WrongTable):
    """A cell is neither a number nor missing.

    Attributes:
        row: index of the row, from 0.
        column: index of the column, from 0.
        cell: text of the cell, shortened.
    """

    def __init__(self, sentence: str, row: int, column: int, cell: str) -> None:
        super().__init__(sentence)
        self.row = row
        self.column = column
        self.cell = cell


class TooManyCells(WrongTable):
    """The table has more rows or cells than its reader takes."""


class WrongType(WrongTable):
    """An array or a column holds values of a type that is not a number."""


class WrongColumns(WrongTable):
    """The columns are not those of the model."""
