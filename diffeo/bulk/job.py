"""A job: a query to a model, split into blocks before the first block is computed. Equal jobs have equal blocks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.bundle.read import Bundle
from diffeo.density import Direction, SeededSample
from diffeo.errors import TableError
from diffeo.local.model import check_sample
from diffeo.tables.computed_names import computed_names
from diffeo.tables.csv_numbers import Wrong
from diffeo.tables.reading.options import ReadOptions

from .block import Block, split_rows
from .columns import match_columns
from .formats import FORMATS
from .job_folder import SCHEMA, JobDescription
from .location import Location, find_files
from .query import InputFile, Query, RowsQuery, SampleQuery, output_schema

# A small flow computes such a block in about a second on one core, and its file has a few megabytes. A killed job
# loses at most the blocks that were being computed.
BLOCK_ROWS: Final = 2**19
DEFAULT_FORMAT: Final = "parquet"
SNIFFED: Final = ReadOptions()


@dataclass(frozen=True, slots=True)
class JobModel:
    """The model of a job.

    Attributes:
        bundle: its files.
        name: its name in the repository.
        version: its version in the repository.
        precision: precision of the graphs; None for the bundle's own.
    """

    bundle: Bundle
    name: str
    version: int
    precision: str | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input files of a job.

    Attributes:
        urls: paths and URLs of files, patterns and folders.
        kept: columns of the files that are written unchanged, before the outputs.
        wrong: "refuse" stops the job at a wrong cell or a row of another width; with "null" the row has no answer.
        reading: how text files are read.
    """

    urls: Sequence[str]
    kept: tuple[str, ...] = ()
    wrong: Wrong = "refuse"
    reading: ReadOptions = SNIFFED


@dataclass(frozen=True, slots=True)
class BlockFiles:
    """The files that a job writes.

    Attributes:
        format: "parquet", "arrow", "csv" or "npy".
        rows: approximate number of rows of a block.
    """

    format: str = "parquet"
    rows: int = BLOCK_ROWS


@dataclass(frozen=True, slots=True)
class Job:
    """A query to a model, split into blocks.

    Attributes:
        model: the model.
        query: what to compute.
        blocks: all blocks, in order.
        output_format: the format of the files.
        description: everything that the bytes of the files depend on, in types that JSON returns unchanged.
    """

    model: JobModel
    query: Query
    blocks: tuple[Block, ...]
    output_format: str
    description: JobDescription

    @property
    def operation(self) -> str:
        """log_prob, transform or sample."""
        return str(self.description["operation"])

    @property
    def rows(self) -> int:
        """Number of rows of all blocks."""
        return sum(block.row_range.rows for block in self.blocks)


def log_prob(model: JobModel, inputs: Inputs, files: BlockFiles) -> Job:
    """A job that computes the log density of each row of the input files, in nats.

    Raises:
        TableError: as `transform`.
    """
    return _rows_job("log_prob", model, inputs, files, "forward", ("log_prob",))


def transform(model: JobModel, inputs: Inputs, files: BlockFiles, direction: Direction) -> Job:
    """A job that computes z (forward) or x (inverse) of each row, and the log|det| of that direction.

    Raises:
        TableError: an input file is missing, cannot be read or lacks a column, or a column cannot be kept.
    """
    image = "z" if direction == "forward" else "x"
    return _rows_job("transform", model, inputs, files, direction, (image, LOG_ABS_DET_JACOBIAN))


def sample(model: JobModel, sample: SeededSample, outputs: Sequence[str], files: BlockFiles) -> Job:
    """A job that draws a sample and writes these outputs of it: "x", "z", "log_prob".

    Raises:
        Problem: a parameter is out of its range, or an output is unknown.
    """
    check_sample(sample, outputs)
    row_ranges = split_rows(sample.start, sample.num_samples, files.rows)
    blocks = tuple(Block(number, 0, row_range) for number, row_range in enumerate(row_ranges))
    query = SampleQuery(sample, tuple(outputs), output_schema(outputs, model.bundle.manifest))
    parameters = {**sample.parameters(0, sample.num_samples), "outputs": list(outputs)}
    return Job(model, query, blocks, files.format, _describe("sample", model, parameters, files))


def _rows_job(  # noqa: PLR0913, PLR0917  (the two operations on rows differ in the last two arguments)
    operation: str,
    model: JobModel,
    inputs: Inputs,
    files: BlockFiles,
    direction: Direction,
    outputs: tuple[str, ...],
) -> Job:
    if files.format == "npy" and inputs.kept:
        raise TableError("an npy file holds only numbers and cannot keep columns; choose another --format")
    columns = model.bundle.manifest.columns
    names = columns if direction == "forward" else computed_names(columns).z
    computed = output_schema(outputs, model.bundle.manifest, inputs.kept)
    input_files = tuple(
        _input_file(location, names, files.rows, inputs) for location in find_files(inputs.urls, frozenset(FORMATS))
    )
    for file in input_files:
        _check_kept(inputs.kept, file, columns if direction == "inverse" else ())
    row_ranges = [(source, part) for source, file in enumerate(input_files) for part in file.layout.row_ranges]
    blocks = tuple(Block(number, source, part) for number, (source, part) in enumerate(row_ranges))
    query = RowsQuery(input_files, direction, outputs, inputs.kept, computed)
    fingerprints = [{"file": file.location.url, **file.location.fingerprint()} for file in input_files]
    parameters: dict[str, object] = {
        "direction": direction, "inputs": fingerprints, "kept": list(inputs.kept), "wrong": inputs.wrong
    }  # fmt: skip
    if inputs.reading != SNIFFED:
        parameters["reading"] = str(inputs.reading)
    return Job(model, query, blocks, files.format, _describe(operation, model, parameters, files))


def _input_file(location: Location, names: Sequence[str], block_rows: int, inputs: Inputs) -> InputFile:
    try:
        layout = FORMATS[location.suffix].layout(location, block_rows, inputs.reading, names)
        layout = replace(layout, wrong=inputs.wrong)
    except (OSError, ValueError) as error:
        raise TableError(f"cannot read {location.name}: {error}") from None
    return InputFile(location, layout, match_columns(layout, names, location.name))


def _check_kept(kept: Sequence[str], file: InputFile, computed: Sequence[str]) -> None:
    for name in kept:
        count = file.layout.schema.names.count(name) if file.layout.has_names else 0
        if count != 1:
            raise TableError(f"{file.location.name} has {count} columns named {name!r}; --keep needs exactly one")
        if name in computed:
            raise TableError(
                f"cannot keep the column {name!r} of {file.location.name}: the job computes a column with that name"
            )


def _describe(operation: str, model: JobModel, parameters: Mapping[str, object], files: BlockFiles) -> JobDescription:
    description = {
        "schema": SCHEMA,
        "operation": operation,
        "model": model.name,
        "version": model.version,
        "digest": model.bundle.digest,
        "precision": model.precision or model.bundle.manifest.precision,
        **parameters,
        "format": files.format,
        "block_rows": files.rows,
    }
    # A description that was read from a folder went through JSON, which turns tuples into lists.
    as_stored: JobDescription = json.loads(json.dumps(description))
    return as_stored
