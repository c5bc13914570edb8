"""Input files of known rows, small jobs over the bundle known by hand, and the files that these jobs write."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypedDict

import numpy as np
import pyarrow as pa
from pyarrow import csv, ipc, parquet

from diffeo.bulk import job
from diffeo.bulk.executors import BlockExecutor, in_process
from diffeo.bulk.job import BlockFiles, Inputs, Job, JobModel
from diffeo.bulk.location import locate
from diffeo.bulk.run import JobSummary, run
from diffeo.bundle.read import read
from diffeo.density import Output, Rows, SeededSample
from diffeo.local.model import open_bundle
from diffeo.tables.csv_numbers import Wrong
from tests.given.flows import affine

MODEL: Final = JobModel(read(affine.PATH), "affine2d", 1)
# Computes the expected numbers without a job.
LOCAL_MODEL: Final = open_bundle(affine.PATH, "affine2d", 1)
COLUMNS: Final = MODEL.bundle.manifest.columns
MANIFEST: Final = "_manifest.json"
BLOCK_ROWS: Final = 1000
OUTPUTS: Final[tuple[Output, ...]] = ("x", "log_prob", "z")


class ManifestFile(TypedDict):
    """The entry of one file in a manifest."""

    file: str


class Manifest(TypedDict):
    """The keys of a manifest that tests read."""

    rows: int
    invalid: int
    seed: int
    files: list[ManifestFile]


def rows(count: int, seed: int = 1) -> Rows:
    """Rows of x in float32, so that every format holds them exactly."""
    return np.random.default_rng(seed).normal(affine.MEAN, affine.SCALE, (count, 2)).astype(np.float32)


def table(x: Rows, **more: pa.Array) -> pa.Table:
    """The rows as a table with the columns of the model, and more columns after them."""
    return pa.table({name: x[:, column] for column, name in enumerate(COLUMNS)} | more)


def save(path: Path, table: pa.Table) -> Path:
    """Write the table in the format of the path's suffix, in groups of 1,000 rows where the format has groups."""
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


def log_prob_job(
    path: Path | str,
    *,
    kept: Sequence[str] = (),
    output_format: str = "parquet",
    block_rows: int = BLOCK_ROWS,
    wrong: Wrong = "refuse",
) -> Job:
    """A job over the files that a path, a pattern, a folder or a URL names."""
    return job.log_prob(MODEL, Inputs([str(path)], tuple(kept), wrong), BlockFiles(output_format, block_rows))


def sample_job(count: int, *, start: int = 0, block_rows: int = BLOCK_ROWS, output_format: str = "parquet") -> Job:
    """A job that writes x, log_prob and z of a sample with seed 7 and temperature 0.5."""
    return job.sample(MODEL, SeededSample(count, 7, start, 0.5), OUTPUTS, BlockFiles(output_format, block_rows))


def run_into(folder: Path, requested: Job, executor: BlockExecutor = in_process) -> JobSummary:
    """Run a job that writes this folder."""
    return run(requested, locate(str(folder)), executor)


def load(folder: Path) -> pa.Table:
    """The rows of all files of a job in order; columns of arrays are named by their index."""
    return pa.concat_tables([_load_file(folder / entry["file"]) for entry in manifest(folder)["files"]])


def values(table: pa.Table) -> Rows:
    """All columns as one array [rows, columns]."""
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def manifest(folder: Path) -> Manifest:
    """The manifest of a finished job."""
    content: Manifest = json.loads((folder / MANIFEST).read_text())
    return content


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder, by its path in the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _load_file(path: Path) -> pa.Table:
    match path.suffix:
        case ".parquet":
            return parquet.read_table(path)
        case ".arrow":
            return ipc.open_file(path).read_all()
        case ".csv":
            return csv.read_csv(path)
    array = np.load(path)
    columns = array.reshape(len(array), -1).T
    return pa.table({str(index): column for index, column in enumerate(columns)})
