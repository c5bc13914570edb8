"""Parses the arrays of responses: npy for one array, npz for several, and streamed npy; checks their number of rows."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from diffeo.bundle import npy
from diffeo.density import Rows

from .steps import Response

NPY = "application/x-npy"
NPZ = "application/x-npz"

Arrays = Mapping[str, Rows]


class UnexpectedArrays(ValueError):
    """The bytes are not the requested arrays."""


def media_type(outputs: Sequence[str]) -> str:
    """The format that can carry these outputs: npz for more than one."""
    return NPY if len(outputs) == 1 else NPZ


def parse(response: Response, outputs: Sequence[str], rows: int) -> Arrays:
    """The arrays of a response by name.

    Raises:
        UnexpectedArrays: an array is missing, is malformed, or does not have this number of rows.
    """
    if len(outputs) == 1:
        arrays = {outputs[0]: _array(response.content)}
    else:
        try:
            with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
                arrays = {output: _array(archive.read(f"{output}.npy")) for output in outputs}
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
            raise UnexpectedArrays(str(error)) from error
    if any(len(array) != rows for array in arrays.values()):
        raise UnexpectedArrays(f"an array does not have the {rows} requested rows")
    return arrays


def _array(content: bytes) -> Rows:
    layout = _layout(content)
    if layout is None or not layout.shape or len(content) - layout.begin != layout.size:
        raise UnexpectedArrays("the header of an npy file does not match its length")
    flat: Rows = np.frombuffer(content, layout.dtype, offset=layout.begin)
    # An array over bytes is read-only; the caller gets one that can be written.
    return flat.reshape(layout.shape).copy()


def _layout(content: bytes) -> npy.Layout | None:
    try:
        return npy.layout(content)
    except npy.NpyInvalid as error:
        raise UnexpectedArrays(str(error)) from error


class NpyStreamReader:
    """Parses a table [total_rows, D] that arrives in one or more npy streams, and yields it in blocks.

    After a stream that was cut, the next stream continues after the last whole row.

    Args:
        total_rows: rows of all streams together.
        block_rows: rows of each block; the last block is shorter.
    """

    def __init__(self, total_rows: int, block_rows: int) -> None:
        self._total_rows = total_rows
        self._block_rows = block_rows
        self._yielded_rows = 0
        self._header = b""
        self._bytes_left: int | None = None  # of the current stream; None before its header is complete
        self._block: Rows | None = None
        self._filled = 0  # bytes of the block
        self._expected_rows = 0

    @property
    def rows_received(self) -> int:
        """Whole rows so far."""
        return self._yielded_rows + (self._filled // self._row_bytes if self._block is not None else 0)

    @property
    def stream_is_complete(self) -> bool:
        """True when the current stream has delivered every byte that its header announced."""
        return self._bytes_left == 0

    def start_stream(self, rows: int) -> None:
        """Prepare for a new stream of this many rows; an incomplete row of the stream before it is dropped."""
        self._header, self._bytes_left, self._expected_rows = b"", None, rows
        if self._block is not None:
            self._filled -= self._filled % self._row_bytes

    def feed(self, data: bytes) -> Iterator[Rows]:
        """Take the next bytes of the stream and yield each block that they complete.

        Raises:
            UnexpectedArrays: the bytes are not the requested stream.
        """
        if self._bytes_left is None:
            self._header += data
            layout = _layout(self._header)
            if layout is None:
                return
            self._check_header(layout)
            data = self._header[layout.begin :]
        yield from self._fill_blocks(data)

    def _check_header(self, layout: npy.Layout) -> None:
        shape = layout.shape
        if len(shape) != 2 or shape[0] != self._expected_rows or not shape[1]:  # noqa: PLR2004  (a table has 2 axes)
            raise UnexpectedArrays(f"a stream has shape {shape}; expected {self._expected_rows} rows")
        if self._block is None:
            self._block = np.empty((min(self._block_rows, self._total_rows), shape[1]), layout.dtype)
        elif (self._block.dtype, self._block.shape[1]) != (layout.dtype, shape[1]):
            raise UnexpectedArrays("the next stream has another type or width than the one before it")
        self._bytes_left = layout.size

    def _fill_blocks(self, data: bytes) -> Iterator[Rows]:
        if self._bytes_left is None or self._block is None or len(data) > self._bytes_left:
            raise UnexpectedArrays("a stream is longer than its header says")
        self._bytes_left -= len(data)
        source = np.frombuffer(data, np.uint8)
        while len(source):
            block = self._block
            room = block.reshape(-1).view(np.uint8)[self._filled :]
            copied = min(len(room), len(source))
            room[:copied] = source[:copied]
            source = source[copied:]
            self._filled += copied
            if self._filled == block.nbytes:
                self._yielded_rows += len(block)
                self._filled = 0
                # The caller keeps the yielded block, so the next one is a new array.
                rows_left = self._total_rows - self._yielded_rows
                self._block = np.empty((min(self._block_rows, rows_left), block.shape[1]), block.dtype)
                yield block

    @property
    def _row_bytes(self) -> int:
        return 0 if self._block is None else self._block.itemsize * self._block.shape[1]
