"""The options of `diffeo fit` that say how a table is read, and which of its columns and rows are fitted."""

import argparse
from typing import Final

from .command import whole_number

# Options and the keys of a recipe's section [data] that they set (`diffeo.training.data_section`).
KEYS: Final = (
    "columns", "drop", "missing", "missing_values", "weights", "bounds", "integers", "min_rows", "header", "delimiter",
    "decimal", "encoding", "max_rows",
)  # fmt: skip


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add the options in two groups."""
    rows = parser.add_argument_group("columns and rows of a table")
    rows.add_argument("--columns", metavar="NAMES", help="the only columns that are fitted, as a,b,c")
    rows.add_argument("--drop", metavar="NAMES", help="columns that are left out")
    rows.add_argument(
        "--missing",
        choices=["refuse", "drop"],
        help="rows with a missing cell are an error or left out (default: refuse)",
    )
    rows.add_argument("--missing-values", metavar="CELLS", help="cells that mean missing, such as -999,?")
    rows.add_argument("--weights", metavar="NAME", help="column of importance weights, 0 or more")
    rows.add_argument("--bounds", metavar="BOUNDS", help="bounds of columns, such as a=0:1,b=0:")
    rows.add_argument("--integers", metavar="NAMES", help="columns that are fitted as whole numbers")
    rows.add_argument("--min-rows", type=whole_number, metavar="N", help="fewest rows that are fitted (default: 50)")
    rows.add_argument(
        "--max-rows", type=whole_number, metavar="N", help="draw a sample of so many rows from a larger table"
    )
    text = parser.add_argument_group("form of a text table (found in the content by default)")
    text.add_argument("--header", action=argparse.BooleanOptionalAction, default=None, help="line 1 holds the names")
    text.add_argument("--delimiter", metavar="SIGN", help="comma, semicolon, tab or bar")
    text.add_argument("--decimal", metavar="SIGN", help="decimal sign: point or comma")
    text.add_argument("--encoding", metavar="NAME", help="such as utf-8, utf-16, latin-1")


def table_options(options: argparse.Namespace) -> dict[str, object]:
    """The options that were given, as keys of a recipe's section [data]."""
    return {key: getattr(options, key) for key in KEYS if getattr(options, key) is not None}
