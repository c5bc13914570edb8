"""A zip archive of one member, read from its end: every size is judged before a byte is inflated.

zipfile makes an object of each entry of a directory before any can be judged, and takes archives whose parts overlap
or that have bytes between them. Here three records lie one behind another and agree.

Reference: APPNOTE.TXT 6.3.10, .ZIP File Format Specification, sec. 4.3.
"""

import zlib
from dataclasses import dataclass
from struct import Struct
from typing import Final

from ...errors import MalformedBody, TooLarge

# Eight times the largest body that is accepted unless the settings say otherwise.
INFLATED_LIMIT: Final = 512 * 2**20
STORED: Final = 0
DEFLATED: Final = 8
# Bits that change nothing here: how hard was deflated, sizes repeated behind the data, a name in UTF-8.
HARMLESS_FLAGS: Final = 0x0002 | 0x0004 | 0x0008 | 0x0800
SIZES_BEHIND: Final = 0x0008
SIZES_BYTES: Final = (12, 16, 20, 24)  # with a signature or without one, each size of 4 or 8 bytes

LOCAL: Final = Struct("<4s5H3L2H")
ENTRY: Final = Struct("<4s6H3L5H2L")
END: Final = Struct("<4s4H2LH")


@dataclass(frozen=True, slots=True)
class Member:
    """The one file of an archive, still packed; size is what it claims to inflate to."""

    name: bytes
    method: int
    crc: int
    size: int
    packed: memoryview


@dataclass(frozen=True, slots=True)
class _Entry:
    # What the directory says of the member.
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int


def only_member(body: bytes) -> Member:
    """The member of an archive that has one.

    Raises:
        MalformedBody: not a zip archive, several members, an encryption, another method than deflate, loose parts.
        TooLarge: it claims to inflate beyond the limit.
    """
    directory = _directory(body)
    entry = _entry(body, directory)
    if entry.flags & ~HARMLESS_FLAGS or entry.method not in {STORED, DEFLATED}:
        raise MalformedBody("the archive's member is encrypted, or packed in another way than deflate")
    if entry.size > INFLATED_LIMIT:
        detail = f"the archive's member holds {entry.size} bytes; the limit here is {INFLATED_LIMIT}: send it in parts"
        raise TooLarge(detail)
    return Member(entry.name, entry.method, entry.crc, entry.size, _packed(body, entry, directory))


def unpacked(member: Member) -> bytes:
    """The bytes of the member: as many as it claims, whatever it would inflate to.

    Raises:
        MalformedBody: they are fewer, more or others than the archive says.
    """
    content = bytes(member.packed) if member.method == STORED else _inflated(member)
    if len(content) != member.size or zlib.crc32(content) != member.crc:
        raise MalformedBody("the archive's member has other bytes than its size and checksum say")
    return content


def _directory(body: bytes) -> int:
    # A comment would make the place of this record ambiguous; no writer of arrays leaves one.
    begin = len(body) - END.size
    if begin < 0 or body[begin : begin + 4] != b"PK\5\6":
        raise MalformedBody("the body does not end as a zip archive without a comment does")
    _, _, _, _, members, size, offset, comment = END.unpack_from(body, begin)
    if members != 1:
        raise MalformedBody(f"the archive has {members} members; expected one")
    if comment or offset + size != begin:
        raise MalformedBody("the archive's directory does not lie at its end")
    return int(offset)


def _entry(body: bytes, at: int) -> _Entry:
    begin, end = at + ENTRY.size, len(body) - END.size
    if begin > end or body[at : at + 4] != b"PK\1\2":
        raise MalformedBody("the archive's directory is not one")
    fields = ENTRY.unpack_from(body, at)
    _, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, _, _, _, offset = fields
    if offset or begin + name + extra + comment != end:
        raise MalformedBody("the archive's parts overlap or have bytes between them")
    return _Entry(body[begin : begin + name], flags, method, crc, packed, size)


def _packed(body: bytes, entry: _Entry, directory: int) -> memoryview:
    if body[:4] != b"PK\3\4":
        raise MalformedBody("the archive does not begin with its member")
    _, _, flags, method, _, _, _, _, _, name, extra = LOCAL.unpack_from(body)
    if (flags, method, body[LOCAL.size : LOCAL.size + name]) != (entry.flags, entry.method, entry.name):
        raise MalformedBody("the archive's directory and its member disagree")
    begin = LOCAL.size + name + extra
    gap = directory - begin - entry.packed
    if gap and not (entry.flags & SIZES_BEHIND and gap in SIZES_BYTES):
        raise MalformedBody("the archive's parts overlap or have bytes between them")
    return memoryview(body)[begin : begin + entry.packed]


def _inflated(member: Member) -> bytes:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than claimed, so that a member which holds more shows it and inflates no further.
        content = engine.decompress(member.packed, member.size + 1)
    except zlib.error:
        raise MalformedBody("the archive's member does not inflate") from None
    if not engine.eof or engine.unused_data:
        raise MalformedBody("the archive's member does not end where its bytes do")
    return content
