"""The command-line options of bulk jobs, which `diffeo log-prob`, `transform` and `sample` run if --out is a folder."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from diffeo.errors import DiffeoError, requires_extra
from diffeo.tables.reading.options import ReadOptions, parse_decimal, parse_delimiter, parse_encoding

FORMATS: Final = ("parquet", "arrow", "csv", "npy")
# An --out that ends with one of these is one file, any other is a folder.
FILE_SUFFIXES: Final = frozenset({".csv", ".npy", ".parquet", ".arrow", ".arrows", ".feather"})
# These have no effect on a single file.
FOLDER_OPTIONS: Final = ("keep", "format", "block_rows", "workers", "ray", "precision")
INTERRUPTED: Final = "interrupted; finished blocks stay, and the same command resumes after them"


def add_options(parser: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    """Add the options of a job that writes a folder; `count` parses a whole number above 0."""
    group = parser.add_argument_group(
        "options if --out is a folder or a URL",
        "The rows are computed and written in blocks, one file per block. Memory does\n"
        "not grow with the number of rows. The same command resumes a stopped job.",
    )
    group.add_argument("--format", choices=FORMATS, help="format of the files (default: parquet)")
    group.add_argument("--block-rows", type=count, help="most rows of one block (default: 524288)")
    group.add_argument("--workers", type=count, help="blocks computed at the same time (default: the usable cores)")
    group.add_argument(
        "--ray", action="store_true", help="compute on the Ray cluster at RAY_ADDRESS, or start Ray on this machine"
    )
    group.add_argument("--precision", help="precision of the graphs, such as int8 (default: that of the bundle)")


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that reads files."""
    parser.add_argument(
        "--wrong",
        choices=["refuse", "null"],
        default="refuse",
        help="what to do with a cell that is neither a number nor missing, and with a row of another width: refuse "
        "stops with an error, null leaves the row without an answer (default: refuse)",
    )
    parser.add_argument(
        "--keep",
        default="",
        metavar="A,B",
        help="columns of the input files to write before the computed ones, if --out is a folder",
    )

    group = parser.add_argument_group(
        "options for text files",
        "Delimiter, decimal sign, encoding and header are found in the file. Name the ones\nthat the command asks for.",
    )
    group.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether line 1 names the columns (default: as its cells say)",
    )
    group.add_argument("--delimiter", help="between two cells: comma, semicolon, tab or bar")
    group.add_argument("--decimal", help="decimal sign: point or comma")
    group.add_argument("--encoding", help="such as utf-8, utf-16, latin-1 or cp1252")


def read_options(options: argparse.Namespace) -> ReadOptions:
    """How the text files of a command are read.

    Raises:
        TableError: an option has a value that is not known.
    """
    return ReadOptions(
        header=options.header,
        delimiter=None if options.delimiter is None else parse_delimiter(options.delimiter),
        decimal=None if options.decimal is None else parse_decimal(options.decimal),
        encoding=None if options.encoding is None else parse_encoding(options.encoding),
    )


def is_folder(out: str | None) -> bool:
    """Whether this --out names a folder: it does not end like a file of rows.

    >>> is_folder("nats"), is_folder("nats.csv"), is_folder(None)
    (True, False, False)
    """
    return out is not None and Path(out).suffix not in FILE_SUFFIXES


def check_without_folder(options: argparse.Namespace) -> None:
    """Check that a command without a folder as --out got no option that only a folder uses.

    Raises:
        DiffeoError: such an option is given; it would have no effect.
    """
    unused = [f"--{name.replace('_', '-')}" for name in FOLDER_OPTIONS if getattr(options, name, None)]
    if unused:
        raise DiffeoError(
            f"{', '.join(unused)} can be used only if --out names a folder; leave it out, or name a folder"
        )


def log_prob(options: argparse.Namespace) -> int:
    """Compute the log density of each row of files into a folder."""
    _check(options)
    with requires_extra("a job over files", "bulk"):
        from . import command  # noqa: PLC0415  (a client-only installation has no pyarrow)

    return command.log_prob(options)


def transform(options: argparse.Namespace) -> int:
    """Map each row of files to z or to x, into a folder."""
    _check(options)
    with requires_extra("a job over files", "bulk"):
        from . import command  # noqa: PLC0415  (as above)

    return command.transform(options)


def sample(options: argparse.Namespace) -> int:
    """Draw a sample into a folder."""
    _check(options)
    with requires_extra("a sample in files", "bulk"):
        from . import command  # noqa: PLC0415  (as above)

    return command.sample(options)


def _check(options: argparse.Namespace) -> None:
    if getattr(options, "url", None) is not None:
        raise DiffeoError(
            "a folder as --out is computed on this machine, not by a service; "
            "leave out --url, or name a .csv or .npy file as --out"
        )
    options.interrupted = INTERRUPTED
    options.reading = read_options(options) if hasattr(options, "files") else None
