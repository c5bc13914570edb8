"""The seam to a format of files: how it is cut, read from the middle, and written."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import pyarrow as pa

from diffeo.tables.csv_numbers import Wrong

from ..block import Span
from ..location import Hashed, Place

# Rows in memory at a time: enough that a step through Python costs nothing beside them.
READ_ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Outline:
    """What a file is like.

    Attributes:
        schema: its columns; where it names none, their numbers.
        named: whether it names them.
        spans: all of its rows, cut.
        textual: whether its numbers are text that is still to be read.
        wrong: whether a row that is wrong is refused or becomes a row of nulls.
    """

    schema: pa.Schema
    named: bool
    spans: tuple[Span, ...]
    textual: bool = False
    wrong: Wrong = "refuse"


class Sink(Protocol):
    """Where the rows of one block go."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        ...


class Format(Protocol):
    """One format of files; every error of a file that is damaged is a ValueError or an OSError."""

    def outline(self, place: Place, block_rows: int) -> Outline:
        """Look through a file without keeping its rows."""
        ...

    def read(self, place: Place, outline: Outline, span: Span, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a span, some at a time."""
        ...

    def sink(self, stream: Hashed, schema: pa.Schema, rows: int) -> AbstractContextManager[Sink]:
        """A file of so many rows; the same rows give the same bytes."""
        ...


def sliced(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in pieces of at most READ_ROWS."""
    for begin in range(0, batch.num_rows, READ_ROWS):
        yield batch.slice(begin, READ_ROWS)


def cropped(batches: Iterator[pa.RecordBatch], span: Span) -> Iterator[pa.RecordBatch]:
    """The rows of a span out of batches that begin `span.skip` rows before it."""
    skip, left = span.skip, span.rows
    for batch in batches:
        part = batch.slice(min(skip, batch.num_rows), left)
        skip -= min(skip, batch.num_rows)
        left -= part.num_rows
        yield from sliced(part)
        if not left:
            return


def gathered(sizes: Sequence[int], block_rows: int) -> tuple[Span, ...]:
    """Spans of whole pieces, as many as fit into `block_rows`; a piece that is larger is cut."""
    spans: list[Span] = []
    first = begin = 0
    while begin < len(sizes):
        end, rows = begin + 1, sizes[begin]
        while end < len(sizes) and rows + sizes[end] <= block_rows:
            rows += sizes[end]
            end += 1
        spans += [
            Span(first + skip, min(block_rows, rows - skip), begin, end, skip) for skip in range(0, rows, block_rows)
        ]
        first, begin = first + rows, end
    return tuple(spans)
