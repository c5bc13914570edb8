"""Finds the encoding of a text: by a byte order mark, by NUL bytes at every other place, or by invalid UTF-8."""

import codecs
from typing import Final

from diffeo.errors import TableError

# A byte order mark and the encoding that it announces; the longer ones first.
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CALLED: Final = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
    "iso8859-1": "Latin-1",
    "cp1252": "Windows-1252",
}
LATIN_1: Final = "iso8859-1"
# Bytes from 0x80 to 0x9f are control characters in Latin-1 and letters or signs in Windows-1252, but for five of them.
WINDOWS_BYTES: Final = frozenset(range(0x80, 0xA0)) - {0x81, 0x8D, 0x8F, 0x90, 0x9D}
MOSTLY: Final = 0.9


def mark_of(head: bytes) -> bytes:
    """The byte order mark with which a text begins; empty if it has none."""
    return next((mark for mark, _ in MARKS if head.startswith(mark)), b"")


def find(head: bytes, name: str) -> str:
    r"""The encoding of a text that begins with these bytes.

    >>> find("a,b\n".encode("utf-16"), "rows.csv"), find(b"temp_\xb0C,b\n", "rows.csv")
    ('utf-16-le', 'iso8859-1')

    Raises:
        TableError: the bytes are no text.
    """
    if mark := mark_of(head):
        return dict(MARKS)[mark]
    if b"\0" in head:
        # The characters of a table are ASCII for the most part, and in UTF-16 each has one NUL byte.
        for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
            if zeros.count(0) > MOSTLY * len(zeros):
                return encoding
        raise TableError(f"{name} holds NUL bytes, so it is no text; save the table as CSV in UTF-8")
    return "utf-8" if is_utf8(head) else without_utf8(head)


def is_utf8(head: bytes) -> bool:
    """True if these bytes begin a text in UTF-8; the end may cut a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def without_utf8(content: bytes) -> str:
    """The encoding of a text with one byte a character: Windows-1252 where Latin-1 would give control characters."""
    found = set(content) & set(range(0x80, 0xA0))
    return "cp1252" if found and found <= WINDOWS_BYTES else LATIN_1
