"""`ReaderFile`: a file as people have it, with its verdict and words of its report, and what makes the bytes of one."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import ipc

Verdict = Literal["fits", "asks", "refused"]

ROWS: Final = 600
NORMAL: Final = np.round(np.random.default_rng(0).normal(size=(ROWS, 3)), 4)
TALL: Final = np.column_stack([np.round(70 + 5 * NORMAL[:, 0], 1), np.round(1.7 + 0.07 * NORMAL[:, 1], 3)])


@dataclass(frozen=True, slots=True)
class ReaderFile:
    """One file, and what a report says about it.

    Attributes:
        name: its file name.
        content: its bytes.
        verdict: "fits", "asks" (faults with options) or "refused" (an error).
        words: words of the text that a person sees.
        columns: the columns that are fitted; empty: not checked.
        options: options of the reader.
        choices: options of the inspection.
        rows: number of rows that are kept; 0: not checked.
    """

    name: str
    content: bytes
    verdict: Verdict
    words: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0


def text(
    rows: npt.ArrayLike = NORMAL[:, :2],
    names: str | None = "a,b",
    delimiter: str = ",",
    form: str = "%.4f",
    decimal: str = ".",
) -> str:
    """A text with one row a line."""
    lines = [] if names is None else [names]
    lines += [
        delimiter.join(("" if np.isnan(value) else form % value).replace(".", decimal) for value in row)
        for row in np.asarray(rows)
    ]
    return "\n".join(lines) + "\n"


def with_cells(*cells: tuple[int, int, str], names: str = "a,b", rows: npt.ArrayLike = NORMAL[:, :2]) -> bytes:
    """A text in which the cells (line, column, cell) are replaced; lines count from 1, columns from 0."""
    lines = text(rows, names).splitlines()
    for line, column, cell in cells:
        row = lines[line - 1].split(",")
        row[column] = cell
        lines[line - 1] = ",".join(row)
    return ("\n".join(lines) + "\n").encode()


def with_column(first: list[str], name: str) -> bytes:
    """A text with a column of these cells before two of numbers."""
    lines = text(NORMAL[: len(first), :2]).splitlines()
    return (
        "\n".join([f"{name},{lines[0]}", *(f"{cell},{line}" for cell, line in zip(first, lines[1:], strict=True))])
        + "\n"
    ).encode()


def columns(**vectors: npt.ArrayLike) -> bytes:
    """A text of these columns, each number as Python writes it."""
    names = ",".join(vectors)
    rows = zip(*(np.asarray(vector).tolist() for vector in vectors.values()), strict=True)
    return ("\n".join([names, *(",".join(repr(value) for value in row) for row in rows)]) + "\n").encode()


def saved(write: Callable[[io.BytesIO], object]) -> bytes:
    """The bytes that a function writes."""
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def npy(array: npt.NDArray[Any]) -> bytes:
    return saved(lambda stream: np.save(stream, array))


def npz(**arrays: npt.NDArray[Any]) -> bytes:
    return saved(lambda stream: np.savez(stream, allow_pickle=False, **arrays))


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    return saved(frame.to_parquet)


def arrow_bytes(table: pa.Table, *, stream: bool = False) -> bytes:
    def write(file: io.BytesIO) -> None:
        with (ipc.new_stream if stream else ipc.new_file)(file, table.schema) as writer:
            writer.write_table(table)

    return saved(write)


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def excel() -> bytes:
    import zipfile  # noqa: PLC0415  (used here alone)

    def write(stream: io.BytesIO) -> None:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("[Content_Types].xml", "<Types/>")
            archive.writestr("xl/workbook.xml", "<workbook/>")

    return saved(write)


FRAME: Final = pd.DataFrame(NORMAL[:, :2], columns=["a", "b"])
TABLE: Final = pa.table({"a": NORMAL[:, 0], "b": NORMAL[:, 1]})
PLAIN: Final = text().encode()
AB: Final = ("a", "b")
