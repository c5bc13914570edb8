"""The unit of a job: rows that are computed together, written as one file, and never half."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Span:
    """Rows [first, first + rows) of a file, or of a sample.

    Attributes:
        begin: where a reader starts, in what its format counts: bytes, batches, groups of rows.
        end: where it is done.
        skip: rows after `begin` that come before the first.
    """

    first: int
    rows: int
    begin: int = 0
    end: int = 0
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a job.

    Attributes:
        number: its place among the parts.
        source: which of the job's files its rows are from; 0 for a sample.
        span: its rows.
    """

    number: int
    source: int
    span: Span


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a block: whose rows it has, how many of them have no answer, and its file."""

    number: int
    source: int
    first: int
    rows: int
    invalid: int
    file: str
    sha256: str

    def dump(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """From JSON."""
        return cls(**json.loads(text))


def cut(first: int, rows: int, block_rows: int) -> list[Span]:
    """Rows in spans of `block_rows`, the last one shorter."""
    return [Span(begin, min(block_rows, first + rows - begin)) for begin in range(first, first + rows, block_rows)]
