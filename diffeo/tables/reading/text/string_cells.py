"""Reads the cells of a long text with pyarrow where some of them are no numbers, by the same rule as cell by cell."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ...cells import MISSING
from ...csv_records import has_plain_quotes
from ...csv_text import MAX_LINE_BYTES
from ..source_table import Values

if TYPE_CHECKING:
    import pyarrow as pa

# `cells.NUMBER` in the syntax of pyarrow's regular expressions.
NUMBER: Final = r"(?i)^(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?inf(?:inity)?)$"
# Below this, reading cell by cell takes less time.
SHORT_BYTES: Final = 100_000


@dataclass(frozen=True, slots=True)
class StringColumn:
    """The cells of one column as text.

    Attributes:
        cells: the cells without blanks around them.
        values: their numbers, NaN for a cell that is missing or wrong.
        wrong: the rows of the wrong cells.
    """

    cells: "pa.Array"
    values: Values
    wrong: npt.NDArray[np.int64]

    def text(self, row: int) -> str:
        """The cell in a row."""
        return str(self.cells[row].as_py())

    def truths(self) -> Values | None:
        """1 for true, 0 for false, NaN for a missing cell; None if another cell is among them."""
        import pyarrow.compute as pc  # noqa: PLC0415  (a client-only installation has only numpy)

        lower = pc.utf8_lower(self.cells)
        true, false = (pc.equal(lower, word).to_numpy(zero_copy_only=False) for word in ("true", "false"))
        is_missing = np.isnan(self.values)
        is_missing[self.wrong] = False
        if not (true | false | is_missing).all():
            return None
        return np.where(is_missing, np.nan, true.astype(np.float64))


def read(body: bytes, width: int, wanted: list[int], missing: frozenset[str]) -> dict[int, StringColumn] | None:
    """The wanted columns of whole records; None if the text is short, or pyarrow's rules may differ from ours."""
    if not wanted or len(body) < SHORT_BYTES or body.startswith(b"\n") or b"\n\n" in body:
        return None
    if b'"' in body and not has_plain_quotes(body):
        return None
    try:
        import pyarrow as pa  # noqa: PLC0415  (as above)
        from pyarrow import csv  # noqa: PLC0415  (as above)
    except ModuleNotFoundError:
        return None
    every = [str(column) for column in range(width)]
    chosen = [every[column] for column in wanted]
    try:
        table = csv.open_csv(
            pa.BufferReader(body),
            csv.ReadOptions(column_names=every, use_threads=False, block_size=MAX_LINE_BYTES // 2),
            csv.ParseOptions(newlines_in_values=b'"' in body, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(every, pa.string()), include_columns=chosen, strings_can_be_null=False
            ),
        ).read_all()
    except pa.ArrowInvalid:
        return None
    return {column: _parsed(table.column(name), missing) for column, name in zip(wanted, chosen, strict=True)}


def _parsed(column: "pa.ChunkedArray", missing: frozenset[str]) -> StringColumn:
    import pyarrow as pa  # noqa: PLC0415  (as above)
    import pyarrow.compute as pc  # noqa: PLC0415  (as above)

    cells = pc.utf8_trim(pa.concat_arrays(column.chunks), " \t")
    is_missing = pc.is_in(pc.utf8_lower(cells), pa.array(sorted(MISSING)))
    if missing:
        is_missing = pc.or_(is_missing, pc.is_in(cells, pa.array(sorted(missing))))
    is_number = pc.and_not(pc.match_substring_regex(cells, NUMBER), is_missing)
    numbers = pc.if_else(is_number, cells, None)
    try:
        values = pc.cast(numbers, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        # Python also reads +1 and 1e400.
        values = np.array([np.nan if cell is None else float(cell) for cell in numbers.to_pylist()], np.float64)
    wrong = np.flatnonzero(~pc.or_(is_number, is_missing).to_numpy(zero_copy_only=False))
    return StringColumn(cells, np.array(values, np.float64), wrong)
