"""Jobs over files, as tests run them: files of rows known by hand, and what came of a folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pyarrow import csv, ipc, parquet

from diffeo.bulk.job import Model
from diffeo.bundle.read import read
from tests.given.flows import affine

MODEL: Final = Model(read(affine.PATH), "affine2d", 1, None)
COLUMNS: Final = MODEL.bundle.manifest.columns
MANIFEST: Final = "_manifest.json"


def rows(count: int, seed: int = 1) -> np.ndarray:
    """Rows of x, float32, so that every format holds them exactly."""
    return np.random.default_rng(seed).normal(affine.MEAN, affine.SCALE, (count, 2)).astype(np.float32)


def table(x: np.ndarray, **more: pa.Array) -> pa.Table:
    return pa.table({name: x[:, place] for place, name in enumerate(COLUMNS)} | more)


def save(path: Path, table: pa.Table) -> Path:
    """The table in the format that the path's suffix names, in pieces of 1,000 rows where the format has pieces."""
    match path.suffix:
        case ".parquet":
            parquet.write_table(table, path, row_group_size=1000)
        case ".arrow":
            with ipc.new_file(path, table.schema) as writer:
                writer.write_table(table, max_chunksize=1000)
        case ".arrows":
            with ipc.new_stream(path, table.schema) as writer:
                writer.write_table(table, max_chunksize=1000)
        case ".csv":
            csv.write_csv(table, path)
        case ".npy":
            np.save(path, np.stack([column.to_numpy() for column in table.columns], axis=1))
    return path


def load(folder: Path) -> pa.Table:
    """All parts of a folder, in their order; an array's columns are named by their numbers."""
    return pa.concat_tables([_part(folder / part["file"]) for part in manifest(folder)["files"]])


def manifest(folder: Path) -> Mapping[str, object]:
    return json.loads((folder / MANIFEST).read_text())


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _part(path: Path) -> pa.Table:
    match path.suffix:
        case ".parquet":
            return parquet.read_table(path)
        case ".arrow":
            return ipc.open_file(path).read_all()
        case ".csv":
            return csv.read_csv(path)
    values = np.load(path)
    columns = values.reshape(len(values), -1).T
    return pa.table({str(place): column for place, column in enumerate(columns)})
