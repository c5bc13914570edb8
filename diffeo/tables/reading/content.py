"""Finds by its first bytes what a file is: a format that is read, or another one, which an error calls by its name."""

import re
from typing import Final, Literal

from diffeo.errors import TableError

Content = Literal["text", "gzip", "zstd", "npy", "npz", "parquet", "arrow file", "arrow stream"]

# Enough of a file to find its format, its encoding and its dialect.
HEAD_BYTES: Final = 2**18
SAVE_AS_CSV: Final = "open it in the program that wrote it, and save it as CSV"

READ: Final[tuple[tuple[bytes, Content], ...]] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x93NUMPY", "npy"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow file"),
    (b"\xff\xff\xff\xff", "arrow stream"),
)
# (first bytes, the name of the format, what to do)
NOT_READ: Final = (
    (b"%PDF", "a PDF document", "save the table in it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of the old format (.xls)", "save the sheet as CSV"),
    (b"SQLite format 3", "an SQLite database", "write the result of a query as CSV"),
    (b"\x89HDF", "an HDF5 file", "write the table in it as CSV or Parquet"),
    (b"\x89PNG", "a PNG image", "name a file with a table"),
    (b"\xff\xd8\xff", "a JPEG image", "name a file with a table"),
    (b"BZh", "compressed with bzip2", "unpack it, or compress it with gzip"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it, or compress it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"ORC", "an ORC file", "write the table as Parquet"),
    (b"Obj\x01", "an Avro file", "write the table as Parquet"),
    (b"FEA1", "a Feather file of version 1", "write it again with version 2"),
    (b"<stata_dta>", "a Stata file", "write the table as CSV or Parquet"),
    (b"$FL2", "an SPSS file", "write the table as CSV or Parquet"),
    (b"RDX", "a file of R", "write the table in it as CSV"),
    (b"\x80\x03", "a pickle", "pickles are never read: write the table as Parquet"),
    (b"\x80\x04", "a pickle", "pickles are never read: write the table as Parquet"),
    (b"\x80\x05", "a pickle", "pickles are never read: write the table as Parquet"),
)
JSON: Final = re.compile(rb"\s*(?:\{|\[\s*(?:[\[{\"\d\]-]|null|true|false))")
MARKUP: Final = re.compile(rb"\s*<(!doctype|html|table|head|body|\?xml|svg)", re.IGNORECASE)
ARFF: Final = re.compile(rb"\s*(?:%[^\n]*\n\s*)*@relation", re.IGNORECASE)
# Suffixes that each format usually has; a file with another known suffix is named wrongly.
SUFFIXES: Final[dict[Content, tuple[str, ...]]] = {
    "text": (".csv", ".tsv", ".txt"),
    "gzip": (".gz",),
    "zstd": (".zst",),
    "npy": (".npy",),
    "npz": (".npz",),
    "parquet": (".parquet",),
    "arrow file": (".arrow", ".arrows", ".feather", ".ipc"),
    "arrow stream": (".arrows", ".arrow", ".feather", ".ipc"),
}
CALLED: Final[dict[Content, str]] = {
    "text": "text",
    "gzip": "compressed with gzip",
    "zstd": "compressed with zstd",
    "npy": "a .npy file",
    "npz": "an .npz archive of arrays",
    "parquet": "a Parquet file",
    "arrow file": "an Arrow file",
    "arrow stream": "an Arrow stream",
}
KNOWN_SUFFIXES: Final = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)


def content_of(head: bytes, name: str) -> Content:
    r"""The format of a file by its first bytes.

    >>> content_of(b"a,b\n1,2\n", "rows.csv")
    'text'

    Args:
        head: its first bytes, as many as HEAD_BYTES.
        name: its name, for errors.

    Raises:
        TableError: the format is not read; the sentence calls it by its name and says what to do.
    """
    for magic, content in READ:
        if head.startswith(magic):
            return content
    if head.startswith(b"PK\x03\x04"):
        return _zip_content(head, name)
    for magic, called, remedy in NOT_READ:
        if head.startswith(magic):
            raise TableError(f"{name} is {called}; {remedy}")
    plain = head.removeprefix(b"\xef\xbb\xbf")
    if JSON.match(plain):
        raise TableError(f"{name} holds JSON; write it as CSV, for example with pandas.read_json(...).to_csv(...)")
    if markup := MARKUP.match(plain):
        is_xml = markup[1].lower() in {b"?xml", b"svg"}
        raise TableError(f"{name} is {'an XML document' if is_xml else 'a web page (HTML)'}; save the table as CSV")
    if ARFF.match(plain):
        raise TableError(f"{name} is an ARFF file of Weka; save the table as CSV")
    return "text"


def check_suffix(content: Content, name: str, suffix: str) -> None:
    """Check that a file has no suffix of another format.

    Args:
        content: its format by its first bytes.
        name: its name.
        suffix: its last suffix in lower case; a suffix that no format has is allowed.

    Raises:
        TableError: the file has the suffix of another format; the sentence says how to name it.
    """
    if suffix not in KNOWN_SUFFIXES or suffix in SUFFIXES[content]:
        return
    if content in {"gzip", "zstd"}:
        better = f"{name}{SUFFIXES[content][0]}"
    else:
        better = f"{name.removesuffix(suffix)}{SUFFIXES[content][0]}"
    raise TableError(f"{name} is {CALLED[content]}, which its name does not say; rename it to {better}")


def _zip_content(head: bytes, name: str) -> Content:
    length = int.from_bytes(head[26:28], "little")
    member = head[30 : 30 + length]
    if member.endswith(b".npy"):
        return "npz"
    if member.startswith((b"[Content_Types]", b"xl/", b"_rels/", b"docProps/")):
        raise TableError(f"{name} is an Excel workbook (.xlsx); save the sheet as CSV")
    if member.startswith(b"mimetype"):
        raise TableError(f"{name} is an OpenDocument file (.ods); save the sheet as CSV")
    raise TableError(f"{name} is a zip archive; unpack it, and name the table in it")
