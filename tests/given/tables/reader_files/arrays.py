"""Arrays and tables of binary formats: npy, npz, Parquet and Arrow."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from .form import AB, FRAME, NORMAL, ROWS, TABLE, ReaderFile, arrow_bytes, npy, npz, parquet_bytes, saved

ARRAYS: Final[Mapping[str, ReaderFile]] = {
    "npy": ReaderFile("rows.npy", npy(NORMAL), "fits", ("without names",), ("x0", "x1", "x2")),
    "npy of float32, column after column": ReaderFile(
        "rows.npy", npy(np.asfortranarray(NORMAL.astype(np.float32))), "fits", (), ("x0", "x1", "x2")
    ),
    "npy of records": ReaderFile(
        "rows.npy",
        npy(np.array([(x, y) for x, y in NORMAL[:, :2]], [("mass", "f8"), ("radius", "f4")])),
        "fits",
        ("named by the file",),
        ("mass", "radius"),
    ),
    "npy of one axis": ReaderFile("rows.npy", npy(NORMAL[:, 0]), "fits", (), ("x0",)),
    "npy of three axes": ReaderFile(
        "rows.npy", npy(NORMAL.reshape(ROWS, 3, 1)), "refused", ("(600, 3, 1)", "two axes")
    ),
    "npy of text": ReaderFile(
        "rows.npy", npy(np.array([["a", "b"]] * ROWS)), "asks", ("no column of numbers", "--columns")
    ),
    "npy of truth values": ReaderFile(
        "rows.npy", npy(NORMAL > 0), "fits", ("truth values", "integer 0:1"), ("x0", "x1", "x2")
    ),
    "npy of dates": ReaderFile(
        "rows.npy", npy(np.arange(ROWS).astype("M8[D]").reshape(-1, 1)), "asks", ("holds dates",)
    ),
    "npz of one array": ReaderFile("rows.npz", npz(rows=NORMAL), "fits", (), ("x0", "x1", "x2")),
    "npz of vectors": ReaderFile("rows.npz", npz(a=NORMAL[:, 0], b=NORMAL[:, 1]), "fits", (), AB),
    "npz of several tables": ReaderFile(
        "rows.npz", npz(train=NORMAL, labels=NORMAL[:, 0]), "refused", ("train [600, 3]", "labels [600]")
    ),
    "a pickle in npy": ReaderFile("rows.npy", npy(np.array([[1, None]], dtype=object)), "refused", ("cannot be read",)),
    "a cut npy": ReaderFile("rows.npy", npy(NORMAL)[:-9], "refused", ("cannot be read",)),
    "parquet": ReaderFile("rows.parquet", parquet_bytes(FRAME), "fits", ("named by the file",), AB),
    "parquet with an index of pandas": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.set_index(pd.Index(np.arange(ROWS) ** 2, name="key"))),
        "fits",
        ("'key'", "index"),
        AB,
    ),
    "parquet with an index without a name": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.set_index(pd.Index(NORMAL[:, 2]))),
        "fits",
        ("__index_level_0__", "index"),
        AB,
    ),
    "parquet with dates and text": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.assign(day=pd.date_range("2024-01-01", periods=ROWS), kind="x")),
        "fits",
        ("'day' holds dates", "'kind' holds text"),
        AB,
    ),
    "parquet with truth values": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.assign(flag=NORMAL[:, 2] > 0)),
        "fits",
        ("truth values of 'flag'",),
        ("a", "b", "flag"),
    ),
    "parquet with whole numbers and nulls": ReaderFile(
        "rows.parquet",
        parquet_bytes(pd.DataFrame({"a": NORMAL[:, 0], "n": pd.array([None, *[1, 2, 3] * 200][:ROWS], dtype="Int64")})),
        "asks",
        ("'n' in 1", "--missing drop"),
    ),
    "parquet with decimals": ReaderFile(
        "rows.parquet",
        saved(
            lambda stream: parquet.write_table(
                pa.table({"a": pa.array(NORMAL[:, 0]).cast(pa.decimal128(9, 4)), "b": NORMAL[:, 1]}), stream
            )
        ),
        "fits",
        (),
        AB,
    ),
    "parquet with categories": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.assign(kind=pd.Categorical(["x", "y"] * 300))),
        "fits",
        ("'kind' holds text",),
        AB,
    ),
    "parquet with lists": ReaderFile(
        "rows.parquet",
        saved(lambda stream: parquet.write_table(TABLE.append_column("list", pa.array([[1.0]] * ROWS)), stream)),
        "fits",
        ("'list' holds other values",),
        AB,
    ),
    "a cut parquet": ReaderFile("rows.parquet", parquet_bytes(FRAME)[:-20], "refused", ("is damaged",)),
    "arrow": ReaderFile("rows.arrow", arrow_bytes(TABLE), "fits", (), AB),
    "feather": ReaderFile("rows.feather", arrow_bytes(TABLE), "fits", (), AB),
    "an arrow stream": ReaderFile("rows.arrows", arrow_bytes(TABLE, stream=True), "fits", (), AB),
    "ipc": ReaderFile("rows.ipc", arrow_bytes(TABLE), "fits", (), AB),
}
