"""`diffeo log-prob`, `transform` and `sample` into a folder: the options of a job, and the function that runs it."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from diffeo.errors import DiffeoError, needing

FORMATS: Final = ("parquet", "arrow", "csv", "npy")
FILES: Final = frozenset({".csv", ".npy", ".parquet", ".arrow", ".arrows", ".feather"})
INTERRUPTED: Final = "interrupted; what is done stays, and the same command goes on"

Command = Callable[[argparse.Namespace], int]


def add_options(parser: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    """The options of a job that writes a folder."""
    group = parser.add_argument_group("a folder or URL as --out: in blocks, with flat memory, resumed where it stopped")
    group.add_argument("--format", choices=FORMATS, default="parquet", help="of the files in it (parquet)")
    group.add_argument("--block-rows", type=count, help="rows of a file, about (524288)")
    group.add_argument("--workers", type=count, help="blocks computed at the same time (usable cores)")
    group.add_argument("--ray", action="store_true", help="compute on Ray: the cluster of RAY_ADDRESS, or one here")
    group.add_argument("--precision", help="what to compute in (the bundle's own)")


def add_files(parser: argparse.ArgumentParser) -> None:
    """The options of a command that reads files."""
    parser.add_argument(
        "--wrong",
        choices=["refuse", "null"],
        default="refuse",
        help="for a cell that is neither a number nor missing, or a row of another width: "
        "refuse stops with an error, null leaves the row without an answer (refuse)",
    )
    parser.add_argument(
        "--keep", default="", metavar="A,B", help="into a folder: columns of the files to write before the answers"
    )


def is_folder(out: str | None) -> bool:
    """Whether an --out is a folder: what does not end like a file of rows."""
    return out is not None and Path(out).suffix not in FILES


def log_prob(options: argparse.Namespace) -> int:
    """Write the log density of each row of the files."""
    return _do("log_prob", options)


def transform(options: argparse.Namespace) -> int:
    """Send the rows of files through the flow."""
    return _do("transform", options)


def sample(options: argparse.Namespace) -> int:
    """Draw rows."""
    return _do("sample", options)


def _do(verb: str, options: argparse.Namespace) -> int:
    if getattr(options, "url", None) is not None:
        raise DiffeoError("a folder is computed here, not by a service; leave out --url, or name a .csv or .npy file")
    options.interrupted = INTERRUPTED
    with needing("a job over files", "bulk"):
        from . import command  # noqa: PLC0415  (a client-only installation has no pyarrow)

    commands: dict[str, Command] = {
        "log_prob": command.log_prob, "transform": command.transform, "sample": command.sample
    }  # fmt: skip
    return commands[verb](options)
