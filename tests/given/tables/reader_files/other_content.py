"""Files that are something else than a table, or than their name says."""

import gzip
from collections.abc import Mapping
from typing import Final

from .form import FRAME, NORMAL, PLAIN, ReaderFile, excel, npz, parquet_bytes, saved, text

OTHER_CONTENT: Final[Mapping[str, ReaderFile]] = {
    "an Excel workbook named csv": ReaderFile(
        "rows.csv", excel(), "refused", ("Excel workbook", "save the sheet as CSV")
    ),
    "an Excel workbook": ReaderFile("rows.xlsx", excel(), "refused", ("Excel workbook",)),
    "an old Excel workbook": ReaderFile(
        "rows.xls", b"\xd0\xcf\x11\xe0" + bytes(100), "refused", ("Excel workbook of the old format",)
    ),
    "parquet named csv": ReaderFile(
        "rows.csv", parquet_bytes(FRAME), "refused", ("a Parquet file", "rename it to rows.parquet")
    ),
    "gzip named csv": ReaderFile(
        "rows.csv", gzip.compress(PLAIN), "refused", ("compressed with gzip", "rename it to rows.csv.gz")
    ),
    "csv named parquet": ReaderFile("rows.parquet", PLAIN, "refused", ("is text", "rename it to rows.csv")),
    "csv named npy": ReaderFile("rows.npy", PLAIN, "refused", ("is text", "rename it to rows.csv")),
    "npz named npy": ReaderFile("rows.npy", npz(a=NORMAL), "refused", (".npz archive", "rename it to rows.npz")),
    "html": ReaderFile("rows.csv", b"<!DOCTYPE html><html><table></table></html>", "refused", ("web page",)),
    "xml": ReaderFile("rows.csv", b"<?xml version='1.0'?><rows/>", "refused", ("XML",)),
    "pdf": ReaderFile("rows.csv", b"%PDF-1.7 ...", "refused", ("PDF",)),
    "json": ReaderFile("rows.csv", b'[{"a": 1, "b": 2}]', "refused", ("JSON",)),
    "a json object": ReaderFile("rows.json", b'{"a": [1], "b": [2]}', "refused", ("JSON",)),
    "sqlite": ReaderFile("rows.csv", b"SQLite format 3\0" + bytes(100), "refused", ("SQLite",)),
    "hdf5": ReaderFile("rows.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "refused", ("HDF5",)),
    "a pickle": ReaderFile("rows.pkl", b"\x80\x04\x95" + bytes(50), "refused", ("pickle",)),
    "arff": ReaderFile("rows.arff", b"% weka\n@relation x\n@data\n1,2\n", "refused", ("ARFF",)),
    "a zip archive": ReaderFile(
        "rows.zip",
        saved(lambda s: __import__("zipfile").ZipFile(s, "w").writestr("rows.csv", "a,b")),
        "refused",
        ("zip archive", "unpack it"),
    ),
    "an image": ReaderFile("rows.csv", b"\x89PNG\r\n\x1a\n" + bytes(50), "refused", ("PNG image",)),
    "bzip2": ReaderFile("rows.csv.bz2", b"BZh91AY", "refused", ("bzip2",)),
    "bytes": ReaderFile("rows.csv", bytes(range(256)), "refused", ("NUL", "no text")),
    "an empty file": ReaderFile("rows.csv", b"", "refused", ("is empty",)),
    "a blank file": ReaderFile("rows.csv", b" \n\n", "refused", ("is empty",)),
    "a header alone": ReaderFile("rows.csv", b"a,b\n", "refused", ("has no rows",)),
    "a cut gzip": ReaderFile("rows.csv.gz", gzip.compress(PLAIN)[:-200], "refused", ("unpack",)),
    "a line for a spreadsheet": ReaderFile(
        "rows.csv",
        b"sep=;\n" + text(names="a;b", delimiter=";").encode(),
        "refused",
        ("for a spreadsheet", "remove the line"),
    ),
    "a quote left open": ReaderFile("rows.csv", b'a,b\n1,2\n3,"4\n', "refused", ("line 3", "quote")),
}
