"""Joins the parts of a table: matches the columns of several files by name, and gathers their rows and their faults."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from diffeo.errors import TableError

from ..columns import listed
from .fault import Fault
from .options import ReadOptions
from .part import Block, BlockColumn, Part
from .row_sample import RowStore
from .source_table import SHOWN_CELLS, CellExample, Holds, SourceColumn, SourcePart, SourceTable


@dataclass(slots=True)
class _Gathered:
    """The counts and examples of one column while rows are read."""

    kinds: dict[Holds, int] = field(default_factory=dict)
    missing: int = 0
    wrong: list[CellExample] = field(default_factory=list)
    wrong_count: int = 0
    numbers: int = 0

    def add(self, column: BlockColumn, rows: int, first: int) -> None:
        self.missing += column.missing
        self.wrong_count += column.wrong_count
        self.kinds[column.holds] = self.kinds.get(column.holds, 0) + rows
        for cell in column.wrong[: SHOWN_CELLS - len(self.wrong)]:
            self.wrong.append(CellExample(cell.row + first, cell.text))
        if column.values is not None:
            self.numbers += rows - column.missing - column.wrong_count

    def holds(self) -> Holds:
        """The kind of most cells that are not missing."""
        kinds: dict[Holds, int] = {kind: count for kind, count in self.kinds.items() if kind != "nothing"}
        if not kinds:
            return "nothing"
        if self.wrong_count and self.wrong_count < self.numbers:
            return "numbers"
        others: dict[Holds, int] = {kind: count for kind, count in kinds.items() if kind != "numbers"}
        # Truth values among numbers, in another block, are no truth values.
        if set(others) == {"truth values"} and "numbers" in kinds:
            return "numbers"
        return max(others, key=lambda kind: others[kind]) if others else "numbers"


def combine(parts: Sequence[Part], options: ReadOptions, sha256: str) -> SourceTable:
    """The table of these parts, whose rows are read here.

    Raises:
        TableError: the parts have different columns, or a part has no rows.
    """
    first = parts[0]
    orders = _orders(parts)
    store = RowStore(options.max_rows, options.seed)
    gathered = [_Gathered() for _ in first.columns]
    found: list[SourcePart] = []
    for part, order in zip(parts, orders, strict=True):
        begin = store.rows_read
        for block in _reordered(part, order):
            for column, known in zip(block.columns, gathered, strict=True):
                known.add(column, block.rows, begin)
            store.add([column.values for column in block.columns], block.rows)
        found.append(SourcePart(part.name, begin, part.unit, tuple(part.log.anchors)))
    if not store.rows_read:
        raise TableError(f"{listed([part.name for part in parts])} has no rows; expected one row of numbers a line")
    values, numbers = store.columns(len(first.columns))
    rows = len(numbers) if numbers is not None else store.rows_read
    columns = []
    for position, (name, known) in enumerate(zip(first.columns, gathered, strict=True)):
        holds = known.holds()
        kept = values[position] if holds in {"numbers", "truth values", "nothing"} else None
        examples = tuple(dict.fromkeys(cell.text for cell in known.wrong))
        columns.append(
            SourceColumn(
                name,
                holds,
                kept,
                known.missing,
                tuple(known.wrong),
                known.wrong_count,
                examples,
                position in first.index,
            )
        )
    notes = [note for part in parts for note in (*part.notes, *part.log.notes)]
    if numbers is not None:
        notes.append(
            f"{rows} of {store.rows_read} rows are used, drawn with seed {options.seed}; --max-rows sets how many"
        )
    faults: list[Fault] = [fault for part in parts for fault in (*part.faults, *part.log.faults)]
    return SourceTable(
        tuple(part.name for part in parts), tuple(columns), rows, store.rows_read, first.names_from, tuple(found),
        numbers, tuple(dict.fromkeys(notes)), tuple(dict.fromkeys(faults)), sha256,
    )  # fmt: skip


def _reordered(part: Part, order: Sequence[int]) -> Iterator[Block]:
    for block in part.blocks():
        yield Block(block.rows, tuple(block.columns[position] for position in order))


def _orders(parts: Sequence[Part]) -> list[list[int]]:
    """For each part, the positions of the columns of the first part.

    Raises:
        TableError: a part has other columns; one sentence names every such part and its columns.
    """
    first = parts[0]
    orders: list[list[int]] = []
    wrong: list[str] = []
    for part in parts:
        if set(part.columns) == set(first.columns):
            orders.append([part.columns.index(name) for name in first.columns])
            continue
        missing = [name for name in first.columns if name not in part.columns]
        further = [name for name in part.columns if name not in first.columns]
        lacks = f"lacks {listed(missing)}" if missing else ""
        has = f"has also {listed(further)}" if further else ""
        wrong.append(f"{part.name} {' and '.join(text for text in (lacks, has) if text)}")
    if wrong:
        shown = "; ".join(wrong[:SHOWN_CELLS])
        more = f"; {len(wrong) - SHOWN_CELLS} more files differ" if len(wrong) > SHOWN_CELLS else ""
        raise TableError(
            f"the files have different columns: {first.name} has {listed(first.columns)}; {shown}{more}; "
            "name only files with the same columns"
        )
    return orders
