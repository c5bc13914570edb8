"""Reads a Range header with one range of bytes, with which a client resumes a download that broke off."""

import re
from typing import Final, NamedTuple

# Several ranges, other units and wrong forms are ignored, as HTTP allows: the client gets the whole file.
ONE_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class ByteRange(NamedTuple):
    """The bytes from `start` to before `end`."""

    start: int
    end: int


def parse(header: str, size: int) -> ByteRange | None:
    """The range of a header within a file of `size` bytes; None for the whole file; empty if it is outside the file.

    >>> parse("bytes=2-3", 10), parse("bytes=8-", 10), parse("bytes=-3", 10)
    (ByteRange(start=2, end=4), ByteRange(start=8, end=10), ByteRange(start=7, end=10))
    >>> parse("bytes=1-2,5-6", 10) is None, parse("bytes=10-", 10)
    (True, ByteRange(start=10, end=10))
    """
    match = ONE_RANGE.fullmatch(header.strip())
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return ByteRange(max(0, size - int(last)), size)
    end = min(size, int(last) + 1) if last else size
    if last and int(last) < int(first):
        return None
    return ByteRange(min(int(first), size), max(end, min(int(first), size)))
