"""Arrays on the wire: npy where one is enough, npz where there are more; what came has the rows that were asked for."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from diffeo.bundle import npy
from diffeo.density import Rows

from .steps import Answer

NPY = "application/x-npy"
NPZ = "application/x-npz"

Tensors = Mapping[str, Rows]


class NotOurs(ValueError):
    """The bytes are not the arrays that were asked for."""


def accept(parts: Sequence[str]) -> str:
    """The format that can carry these arrays."""
    return NPY if len(parts) == 1 else NPZ


def tensors(answer: Answer, parts: Sequence[str], rows: int) -> Tensors:
    """The arrays of an answer by name, each of so many rows.

    Raises:
        NotOurs: it does not hold them.
    """
    if len(parts) == 1:
        found = {parts[0]: _array(answer.content)}
    else:
        try:
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                found = {part: _array(archive.read(f"{part}.npy")) for part in parts}
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
            raise NotOurs(str(error)) from error
    if any(len(array) != rows for array in found.values()):
        raise NotOurs(f"an array does not have the {rows} rows that were asked for")
    return found


def _array(content: bytes) -> Rows:
    layout = _layout(content)
    if layout is None or not layout.shape or len(content) - layout.begin != layout.size:
        raise NotOurs("an npy file whose header does not fit its bytes")
    flat: Rows = np.frombuffer(content, layout.dtype, offset=layout.begin)
    # Bytes are read-only; an answer belongs to the caller.
    return flat.reshape(layout.shape).copy()


def _layout(content: bytes) -> npy.Layout | None:
    try:
        return npy.layout(content)
    except npy.NpyInvalid as error:
        raise NotOurs(str(error)) from error


class Inflow:
    """Bytes of npy streams in, tables out: where a stream is cut, the next one goes on after the last whole row.

    Args:
        total: rows of all streams together.
        rows: rows of a table; the last one has what is left.
    """

    def __init__(self, total: int, rows: int) -> None:
        self._total = total
        self._rows = rows
        self._given = 0
        self._head = b""
        self._due: int | None = None
        self._block: Rows | None = None
        self._filled = 0  # bytes of the block
        self._expected = 0

    @property
    def received(self) -> int:
        """Whole rows so far."""
        return self._given + (self._filled // self._row_bytes if self._block is not None else 0)

    @property
    def whole(self) -> bool:
        """True when the stream has brought all that its header promised."""
        return self._due == 0

    def begin(self, rows: int) -> None:
        """A stream of so many rows begins; of a row that was cut the first part comes again."""
        self._head, self._due, self._expected = b"", None, rows
        if self._block is not None:
            self._filled -= self._filled % self._row_bytes

    def feed(self, data: bytes) -> Iterator[Rows]:
        """Take bytes; give each table that is full by them.

        Raises:
            NotOurs: they are not the stream that was asked for.
        """
        if self._due is None:
            self._head += data
            layout = _layout(self._head)
            if layout is None:
                return
            self._settle(layout)
            data = self._head[layout.begin :]
        yield from self._pour(data)

    def _settle(self, layout: npy.Layout) -> None:
        if len(layout.shape) != 2 or layout.shape[0] != self._expected or not layout.shape[1]:  # noqa: PLR2004  (axes)
            raise NotOurs(f"a stream of shape {layout.shape}; expected {self._expected} rows")
        if self._block is None:
            self._block = np.empty((min(self._rows, self._total), layout.shape[1]), layout.dtype)
        elif (self._block.dtype, self._block.shape[1]) != (layout.dtype, layout.shape[1]):
            raise NotOurs("a stream goes on in another type or width")
        self._due = layout.size

    def _pour(self, data: bytes) -> Iterator[Rows]:
        if self._due is None or self._block is None or len(data) > self._due:
            raise NotOurs("a stream is longer than its header says")
        self._due -= len(data)
        left = np.frombuffer(data, np.uint8)
        while len(left):
            block = self._block
            room = block.reshape(-1).view(np.uint8)[self._filled :]
            taken = min(len(room), len(left))
            room[:taken] = left[:taken]
            left = left[taken:]
            self._filled += taken
            if self._filled == block.nbytes:
                self._given += len(block)
                self._filled = 0
                # The caller keeps what is given, so the next table is another one.
                self._block = np.empty((min(self._rows, self._total - self._given), block.shape[1]), block.dtype)
                yield block

    @property
    def _row_bytes(self) -> int:
        return 0 if self._block is None else self._block.itemsize * self._block.shape[1]
