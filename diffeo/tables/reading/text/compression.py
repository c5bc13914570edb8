"""Opens a compressed stream of bytes: gzip with Python's own module, zstd with pyarrow."""

import gzip
import io
from pathlib import PurePath
from typing import IO, Final, cast

from diffeo.errors import TableError, requires_extra

from .translation import Readable

# Python raises the first two for a damaged gzip file, pyarrow the last.
DAMAGED: Final = (EOFError, gzip.BadGzipFile, OSError)
SUFFIXES: Final = (".gz", ".zst")


def unpacked(stream: IO[bytes], compression: str) -> Readable:
    """The bytes that a compressed stream holds.

    Args:
        stream: an open file, at its beginning.
        compression: "gzip", "zstd", or empty for a stream that is not compressed.

    Raises:
        NotInstalled: pyarrow, which unpacks zstd, is not installed.
    """
    if compression == "gzip":
        return cast("Readable", gzip.GzipFile(fileobj=stream))
    if compression == "zstd":
        with requires_extra("reading .zst files", "bulk"):
            import pyarrow as pa  # noqa: PLC0415  (a client-only installation has only numpy)

        return cast("Readable", pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd"))
    return stream


def unpacked_whole(content: bytes, compression: str, name: str) -> bytes:
    """The bytes that compressed bytes hold.

    Raises:
        TableError: the file is damaged.
    """
    if not compression:
        return content
    try:
        return unpacked(io.BytesIO(content), compression).read()
    except DAMAGED as error:
        raise TableError(f"{name} is damaged and cannot be unpacked ({error}); copy or write it again") from None


def inner_suffix(name: str) -> str:
    """The suffix of a file without that of its compression, in lower case.

    >>> inner_suffix("rows.CSV.gz"), inner_suffix("rows.npy")
    ('.csv', '.npy')
    """
    path = PurePath(name)
    return PurePath(path.stem).suffix.lower() if path.suffix.lower() in SUFFIXES else path.suffix.lower()
