"""`Block`, the unit of a bulk job: rows that are computed together and written as one file."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows [first, first + rows) of a file or of a sample.

    Attributes:
        begin: position in the file where reading begins, in the unit of its format: bytes, batches or row groups.
        end: position in the file where reading ends, in the same unit.
        skip: number of rows between `begin` and the first row.
    """

    first: int
    rows: int
    begin: int = 0
    end: int = 0
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a job.

    Attributes:
        number: index of the block in the job, from 0.
        source: index of the input file that the rows come from; 0 for a sample.
        row_range: its rows.
    """

    number: int
    source: int
    row_range: RowRange


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """The result of a finished block. The names of the fields are the keys in the manifest of the job.

    Attributes:
        number: index of the block in the job, from 0.
        source: index of the input file that the rows come from; 0 for a sample.
        first: index of the first row in that file or sample.
        rows: number of rows.
        invalid: number of rows without an answer.
        file: name of the file of the block.
        sha256: SHA-256 of that file, as hexadecimal digits.
    """

    number: int
    source: int
    first: int
    rows: int
    invalid: int
    file: str
    sha256: str

    def to_json(self) -> bytes:
        """The record as a JSON object."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """The record in a JSON object."""
        return cls(**json.loads(text))


def split_rows(first: int, rows: int, block_rows: int) -> list[RowRange]:
    """Split rows [first, first + rows) into ranges of `block_rows` rows; the last range may be shorter.

    >>> [(part.first, part.rows) for part in split_rows(0, 5, 2)]
    [(0, 2), (2, 2), (4, 1)]
    """
    return [RowRange(begin, min(block_rows, first + rows - begin)) for begin in range(first, first + rows, block_rows)]
