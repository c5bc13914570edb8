"""Reads the schema of an Arrow IPC stream: the columns of numbers, and those that are skipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from diffeo.bundle.manifest import MAX_COLUMNS

from ...errors import InvalidRequest, MalformedBody
from .flatbuffers import FlatbufferTable

FLOAT32: Final[np.dtype[np.floating]] = np.dtype(np.float32)
FLOAT64: Final[np.dtype[np.floating]] = np.dtype(np.float64)
EXACT_INTEGER_BYTES: Final = 2  # the widest integers that float32 represents exactly

INTEGER, FLOAT = 2, 3
# Types of columns that a model does not take but that may stand beside those it takes, and how many buffers each has.
OTHER_TYPES: Final[Mapping[int, tuple[str, int]]] = {
    1: ("nothing but nulls", 0),
    INTEGER: ("integers of another size", 2),
    FLOAT: ("floats of another size", 2),
    4: ("bytes", 3),
    5: ("text", 3),
    6: ("booleans", 2),
    7: ("decimals", 2),
    8: ("dates", 2),
    9: ("times", 2),
    10: ("timestamps", 2),
    11: ("intervals", 2),
    15: ("bytes", 2),
    18: ("durations", 2),
    19: ("bytes", 3),
    20: ("text", 3),
    23: ("bytes", 2),
    24: ("text", 2),
}
# These have further buffers, which each record batch counts.
VIEWS: Final = frozenset({23, 24})
INTEGER_BITS: Final = (8, 16, 32, 64)
FLOAT_BYTES: Final = (2, 4, 8)  # by precision: half, single, double
EXTENSION_KEY: Final = b"ARROW:extension:name"
# A name in a manifest has up to 128 characters, each up to four bytes in UTF-8.
MAX_NAME_BYTES: Final = 512
MAX_METADATA: Final = 64
# The least bytes of each part in the header of a message. A hostile header may claim thousands that share their bytes.
FIELD_BYTES: Final = 32
METADATA_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the schema.

    Attributes:
        name: its name.
        dtype: the type of its numbers; None if it does not hold numbers and is skipped.
        holds: the type of a column that does not hold numbers, as a sentence names it.
        buffers: how many buffers it has in each record batch.
        is_view: whether each record batch counts further buffers of it.
    """

    name: str
    dtype: np.dtype[np.generic] | None
    holds: str = ""
    buffers: int = 2
    is_view: bool = False


def check_claim(header: FlatbufferTable, needed: int) -> None:
    """Raise MalformedBody if the parts that a message claims need more bytes than its header has."""
    if needed > len(header.content):
        size = len(header.content)
        raise MalformedBody(f"a message of the Arrow stream claims parts of {needed} bytes; its header has {size}")


def read_columns(header: FlatbufferTable) -> Sequence[Column]:
    """The columns that the header of a schema message describes.

    Raises:
        MalformedBody: it claims more columns or metadata than it holds, or a name is not UTF-8.
        InvalidRequest: a column has a type that cannot be skipped, or a name that is too long.
    """
    count = header.count(1)
    if not 1 <= count <= MAX_COLUMNS:
        raise InvalidRequest.at("", f"the Arrow schema has {count} columns; send 1 to {MAX_COLUMNS}")
    check_claim(header, count * FIELD_BYTES)
    byte_order = ">" if header.number(0, "<h") else "<"
    fields = list(header.tables(1))
    # More metadata than any writer produces is an error of its own, and is not read.
    entries = sum(entries for field in fields if (entries := field.count(6)) <= MAX_METADATA)
    check_claim(header, count * FIELD_BYTES + entries * METADATA_BYTES)
    return [_column(field, byte_order, index) for index, field in enumerate(fields)]


def _column(field: FlatbufferTable, byte_order: str, index: int) -> Column:
    dtype, kind = _column_dtype(field, byte_order), field.number(2, "<B")
    if (dtype is None and kind not in OTHER_TYPES) or field.count(6) > MAX_METADATA:
        detail = f"column {index + 1} does not hold plain numbers; send floats or integers, or leave the column out"
        raise InvalidRequest.at("", detail)
    name = field.text(0, MAX_NAME_BYTES + 1)
    if len(name) > MAX_NAME_BYTES:
        raise InvalidRequest.at("", f"the name of column {index + 1} is longer than {MAX_NAME_BYTES} bytes")
    try:
        return _typed_column(field, name.decode(), dtype)
    except UnicodeDecodeError:
        raise MalformedBody(f"the name of column {index + 1} is not UTF-8") from None


def _typed_column(field: FlatbufferTable, name: str, dtype: np.dtype[np.generic] | None) -> Column:
    if field.table(4) is not None:
        return Column(name, None, "a dictionary")
    if _is_extension(field):
        kind = field.number(2, "<B")
        return Column(name, None, "values of an extension type", OTHER_TYPES[kind][1], kind in VIEWS)
    if dtype is not None:
        return Column(name, dtype)
    kind = field.number(2, "<B")
    holds, buffers = OTHER_TYPES[kind]
    return Column(name, None, holds, buffers, kind in VIEWS)


def _column_dtype(field: FlatbufferTable, byte_order: str) -> np.dtype[np.generic] | None:
    kind, details = field.number(2, "<B"), field.table(3)
    if details is None:
        return None
    if kind == FLOAT and 0 <= (precision := details.number(0, "<h")) < len(FLOAT_BYTES):
        return np.dtype(f"{byte_order}f{FLOAT_BYTES[precision]}")
    if kind == INTEGER and (bits := details.number(0, "<i")) in INTEGER_BITS:
        return np.dtype(f"{byte_order}{'i' if details.number(1, '<B') else 'u'}{bits // 8}")
    return None


def _is_extension(field: FlatbufferTable) -> bool:
    # This reader does not know the meaning of the numbers of an extension type.
    return any(entry.text(0, len(EXTENSION_KEY) + 1) == EXTENSION_KEY for entry in field.tables(6))


def common_dtype(columns: Sequence[Column]) -> np.dtype[np.floating]:
    """The type of a table of these columns: float32 where it represents all their numbers exactly, else float64."""
    dtypes = [column.dtype for column in columns if column.dtype is not None]
    wide = any(dtype.itemsize > (FLOAT32.itemsize if dtype.kind == "f" else EXACT_INTEGER_BYTES) for dtype in dtypes)
    return FLOAT64 if wide else FLOAT32
