"""`Part`: one file or array, opened: the names of its columns, and its rows in blocks. Every format has this form."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from .fault import Fault
from .source_table import CellExample, Holds, NamesFrom, Values

# Rows of a block: enough that the time of one step in Python does not matter.
BLOCK_ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class BlockColumn:
    """The cells of one column in a block.

    Attributes:
        holds: what the cells are that are not missing.
        values: their numbers, NaN where a cell is missing or wrong; None if the column holds no numbers.
        missing: number of missing cells.
        wrong: the first cells that are neither a number nor missing; their rows count from the begin of the part.
        wrong_count: number of these cells.
    """

    holds: Holds
    values: Values | None
    missing: int = 0
    wrong: tuple[CellExample, ...] = ()
    wrong_count: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows of a part: their number, and each of its columns."""

    rows: int
    columns: tuple[BlockColumn, ...]


@dataclass(slots=True)
class PartLog:
    """Faults, notes and places that a part finds while its blocks are read.

    Attributes:
        faults: rows that cannot be read.
        notes: choices that are made while reading.
        anchors: (row, line) from which on each row takes one line.
    """

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    anchors: list[tuple[int, int]] = field(default_factory=lambda: [(0, 1)])


@dataclass(frozen=True, slots=True)
class Part:
    """One file or array, opened.

    Attributes:
        name: its name.
        columns: the names of its columns.
        names_from: where they came from.
        unit: whether its rows are found by line or by row.
        blocks: reads its rows, from the first one on; it writes to the log.
        log: what is found while the rows are read.
        notes: choices that were made when it was opened.
        faults: what was found when it was opened.
        index: positions of the columns that are the index of a DataFrame.
    """

    name: str
    columns: tuple[str, ...]
    names_from: NamesFrom
    unit: Literal["line", "row"]
    blocks: Callable[[], Iterator[Block]]
    log: PartLog
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    index: frozenset[int] = frozenset()


def numbered(width: int) -> tuple[str, ...]:
    """The names of the columns of a table without names.

    >>> numbered(2)
    ('x0', 'x1')
    """
    return tuple(f"x{number}" for number in range(width))


def distinct(names: tuple[str, ...], source: str) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
    """The names without white space around them, each one once, and a fault for each name that was given twice."""
    found: list[str] = []
    faults: list[Fault] = []
    for position, name in enumerate(name.strip() for name in names):
        own = name or f"column {position + 1}"
        if own in found:
            own = f"{own} (column {position + 1})"
            faults.append(
                Fault(
                    f"{source} names two columns {name!r}, {found.index(name) + 1} and {position + 1}; rename one, "
                    "or leave out the second",
                    f"--drop '{own}'",
                )
            )
        found.append(own)
    return tuple(found), tuple(faults)
