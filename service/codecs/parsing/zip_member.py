"""Reads a zip archive of one file, from its end; every size is checked before a byte is decompressed.

The zipfile module creates an object for each entry of the directory before any can be checked. It also accepts
archives whose parts overlap or have bytes between them. Here three records must follow each other and agree.

Reference: APPNOTE.TXT 6.3.10, .ZIP File Format Specification, sec. 4.3.
"""

import zlib
from dataclasses import dataclass
from struct import Struct
from typing import Final

from ...errors import MalformedBody, TooLarge
from .inflate import RAW, inflate_stream

STORED: Final = 0
DEFLATED: Final = 8
# Flags that do not change how the file is read: the compression level, sizes after the data, a name in UTF-8.
ALLOWED_FLAGS: Final = 0x0002 | 0x0004 | 0x0008 | 0x0800
SIZES_AFTER_DATA: Final = 0x0008
SIZES_RECORD_BYTES: Final = (12, 16, 20, 24)  # with or without a signature, each size in 4 or 8 bytes

LOCAL_HEADER: Final = Struct("<4s5H3L2H")
DIRECTORY_ENTRY: Final = Struct("<4s6H3L5H2L")
END_RECORD: Final = Struct("<4s4H2LH")


@dataclass(frozen=True, slots=True)
class Member:
    """The one file of an archive, still compressed; `size` is the decompressed size that the archive claims."""

    name: bytes
    method: int
    crc: int
    size: int
    packed: memoryview


@dataclass(frozen=True, slots=True)
class _DirectoryEntry:
    # The entry of the file in the directory of the archive.
    name: bytes
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int


def only_member(body: bytes, limit: int) -> Member:
    """The file of an archive that has exactly one.

    Args:
        body: the archive.
        limit: the largest allowed size of the file in bytes, decompressed.

    Raises:
        MalformedBody: not a zip archive of one file, or an encrypted file, or another method than deflate.
        TooLarge: the claimed size exceeds `limit`.
    """
    directory = _directory_position(body)
    entry = _directory_entry(body, directory)
    if entry.flags & ~ALLOWED_FLAGS or entry.method not in {STORED, DEFLATED}:
        raise MalformedBody("the file in the archive is encrypted, or compressed with another method than deflate")
    if entry.size > limit:
        fact = f"the file in the archive has {entry.size} bytes; the limit is {limit}"
        raise TooLarge(f"{fact}: send fewer rows in each request")
    return Member(entry.name, entry.method, entry.crc, entry.size, _packed_bytes(body, entry, directory))


def claimed_size(body: bytes) -> int:
    """The decompressed size that an archive of one file claims; the size of the body, if it is no such archive."""
    try:
        return max(len(body), _directory_entry(body, _directory_position(body)).size)
    except MalformedBody:
        return len(body)


def unpack(member: Member) -> bytes | memoryview:
    """The decompressed bytes. At most one byte more than the claimed size is decompressed.

    Raises:
        MalformedBody: the size or the checksum is not the one in the archive.
    """
    content = member.packed if member.method == STORED else _inflate(member)
    if len(content) != member.size or zlib.crc32(content) != member.crc:
        raise MalformedBody("the file in the archive does not match its size and checksum")
    return content


def _directory_position(body: bytes) -> int:
    # A comment would make the position of this record ambiguous. NumPy never writes one.
    begin = len(body) - END_RECORD.size
    if begin < 0 or body[begin : begin + 4] != b"PK\5\6":
        raise MalformedBody("the body does not end like a zip archive without a comment")
    _, _, _, _, members, size, offset, comment = END_RECORD.unpack_from(body, begin)
    if members != 1:
        raise MalformedBody(f"the archive has {members} files; send exactly one, x.npy or z.npy")
    if comment or offset + size != begin:
        raise MalformedBody("the directory of the archive is not at its end")
    return int(offset)


def _directory_entry(body: bytes, at: int) -> _DirectoryEntry:
    begin, end = at + DIRECTORY_ENTRY.size, len(body) - END_RECORD.size
    if begin > end or body[at : at + 4] != b"PK\1\2":
        raise MalformedBody("the directory of the archive has no valid entry")
    fields = DIRECTORY_ENTRY.unpack_from(body, at)
    _, _, _, flags, method, _, _, crc, packed_size, size, name, extra, comment, _, _, _, offset = fields
    if offset or begin + name + extra + comment != end:
        raise MalformedBody("the parts of the archive overlap or have bytes between them")
    return _DirectoryEntry(body[begin : begin + name], flags, method, crc, packed_size, size)


def _packed_bytes(body: bytes, entry: _DirectoryEntry, directory: int) -> memoryview:
    if body[:4] != b"PK\3\4":
        raise MalformedBody("the archive does not begin with its file")
    _, _, flags, method, _, _, _, _, _, name, extra = LOCAL_HEADER.unpack_from(body)
    begin = LOCAL_HEADER.size + name
    if (flags, method, body[LOCAL_HEADER.size : begin]) != (entry.flags, entry.method, entry.name):
        raise MalformedBody("the directory of the archive and the header of its file disagree")
    begin += extra
    gap = directory - begin - entry.packed_size
    if gap and not (entry.flags & SIZES_AFTER_DATA and gap in SIZES_RECORD_BYTES):
        raise MalformedBody("the parts of the archive overlap or have bytes between them")
    return memoryview(body)[begin : begin + entry.packed_size]


def _inflate(member: Member) -> bytes:
    try:
        # Up to one byte more than claimed: a file that holds more is detected, and no more of it is decompressed.
        inflated = inflate_stream(member.packed, RAW, member.size)
    except zlib.error:
        raise MalformedBody("the file in the archive is not valid deflate data") from None
    if not inflated.complete:
        raise MalformedBody("the deflate data of the file ends before or after the file's last byte")
    return inflated.content
