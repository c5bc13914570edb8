"""Looks at a table before a fit: one report of its rows, columns and kinds, with all faults together.

Try it on a file of yours:

    python -c "from diffeo.training.inspection import look; print(look('rows.csv'))"

`inspect` makes the report, `render` and `to_json` show it, and `chosen` gives the rows that the report keeps.
"""

from diffeo.tables.reading.options import ReadOptions
from diffeo.tables.reading.read import read_table

from .choices import Bounds, Choices
from .chosen import Chosen, chosen
from .inspect_table import inspect
from .render import render, to_json
from .report import Atom, ColumnKind, ColumnReport, TableReport

__all__ = [
    "Atom", "Bounds", "Choices", "Chosen", "ColumnKind", "ColumnReport", "TableReport", "chosen", "inspect", "look",
    "render", "to_json",
]  # fmt: skip


def look(given: object, options: ReadOptions | None = None, choices: Choices | None = None) -> str:
    """The report of a table as text.

    >>> import numpy as np
    >>> print(look(np.random.default_rng(0).normal(size=(600, 2))).splitlines()[0])
    the array: 600 rows, 2 columns without names (x0, x1, ...)

    Args:
        given: a path, a pattern, several of them, a DataFrame or an array.
        options: how it is read.
        choices: which columns and rows are used.

    Raises:
        TableError: the table cannot be read.
    """
    return render(inspect(read_table(given, options or ReadOptions()), choices or Choices()))
