"""`read_table`: reads files, DataFrames and arrays to a `SourceTable`, and never to anything that was not said."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from diffeo.errors import TableError

from .. import arrays, frames
from . import array_part, frame_part, sources
from .combine import combine
from .options import ReadOptions
from .part import Block, Part
from .source_table import SourceTable
from .sources import Source

# From this size on a progress bar is shown.
LONG_BYTES: Final = 100_000_000
SNIFFED: Final = ReadOptions()
THE_ARRAY: Final = "the array"


def read_table(given: object, options: ReadOptions = SNIFFED) -> SourceTable:
    """Read a table: a path, a pattern, several of them, a DataFrame of pandas or polars, or an array.

    >>> table = read_table(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> table.names, table.rows
    (('x0', 'x1'), 2)

    Args:
        given: paths and patterns, of which - is standard input; or a DataFrame; or an array [rows, columns].
        options: how it is read.

    Raises:
        TableError: a file is missing, is damaged, or has a format that is not read.
    """
    if isinstance(given, str | Path):
        return read_files([given], options)
    if frames.is_frame(given):
        part = frame_part.open_frame(given)
    elif isinstance(given, np.ndarray):
        part = array_part.of_array(THE_ARRAY, given)
    elif isinstance(given, Sequence) and given and all(isinstance(each, str | Path) for each in given):
        return read_files(given, options)
    elif type(given).__name__ in arrays.TABLES:
        raise TableError(f"{type(given).__name__} is not read; pass a DataFrame of pandas or polars")
    else:
        try:
            part = array_part.of_array(THE_ARRAY, np.asanyarray(given))
        except ValueError as error:
            raise TableError(f"the rows are no table of numbers: {error}") from None
    table = combine([part], options, "")
    return replace(table, sha256=_digest(table))


def read_files(named: Sequence[str | Path], options: ReadOptions = SNIFFED) -> SourceTable:
    """Read the files that paths and patterns name as one table; raises the errors of `read_table`."""
    found = sources.find(named)
    size = sum(source.size for source in found)
    with _Progress(size, shown=options.progress and size >= LONG_BYTES) as progress:
        parts = [sources.open_source(source, options) for source in found]
        watched = [progress.watch(part, source.size) for part, source in zip(parts, found, strict=True)]
        table = combine(watched, options, "")
    return replace(table, sha256=_file_digest(found))


class _Progress:
    """A progress bar over the bytes of files; it moves by their rows where a reader does not tell its position."""

    def __init__(self, size: int, *, shown: bool) -> None:
        self._bar: Any = None
        if shown:
            try:
                from tqdm import tqdm  # noqa: PLC0415  (an installation without the bulk extra shows no bar)
            except ModuleNotFoundError:
                return
            self._bar = tqdm(total=size, unit="B", unit_scale=True, desc="reading", leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def watch(self, part: Part, size: int) -> Part:
        """The part, whose blocks move the bar."""
        if self._bar is None:
            return part

        def blocks() -> Iterator[Block]:
            done = 0
            for block in part.blocks():
                yield block
                # The number of rows is not known before the end, so a block counts by its numbers.
                step = min(size - done, 8 * block.rows * len(block.columns))
                done += step
                self._bar.update(step)
            self._bar.update(size - done)

        return replace(part, blocks=blocks)


def _file_digest(found: Sequence[Source]) -> str:
    digests = [source.sha256() for source in found]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _digest(table: SourceTable) -> str:
    digest = hashlib.sha256()
    for column in table.columns:
        digest.update(column.name.encode())
        if column.values is not None:
            digest.update(np.ascontiguousarray(column.values).tobytes())
    return digest.hexdigest()
