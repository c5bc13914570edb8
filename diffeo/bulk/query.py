"""The computation of a job: one operation for the rows of files (`RowsQuery`), or a sample (`SampleQuery`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa

from diffeo.bundle.manifest import Manifest
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.density import Direction, SeededSample
from diffeo.errors import TableError, WrongTable
from diffeo.local.flow import LocalFlow
from diffeo.runtime.finite_rows import Tensors
from diffeo.tables.computed_names import computed_names

from .block import Block
from .columns import rows, to_batch
from .formats import FORMATS
from .formats.format import READ_ROWS, FileLayout
from .location import Location

# Rows to write, and how many of them have no answer.
AnsweredRows = tuple[pa.RecordBatch, int]


class Query(Protocol):
    """Computes the rows of any block of a job."""

    def schema(self, block: Block) -> pa.Schema:
        """The columns of the file of this block."""
        ...

    def answer(self, flow: LocalFlow, block: Block) -> Iterator[AnsweredRows]:
        """Compute the rows of this block in order, at most READ_ROWS at a time."""
        ...


@dataclass(frozen=True, slots=True)
class InputFile:
    """One input file of a job.

    Attributes:
        location: where the file is.
        layout: its columns and row ranges.
        names: the names that the model's columns have in the file, in the order of the model.
    """

    location: Location
    layout: FileLayout
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowsQuery:
    """Computes some outputs of one graph for the rows of files.

    Attributes:
        files: the input files.
        direction: the graph.
        outputs: the outputs of the graph that are written.
        kept: columns of the files that are written unchanged, before the outputs.
        output_schema: the columns of the outputs.
    """

    files: tuple[InputFile, ...]
    direction: Direction
    outputs: tuple[str, ...]
    kept: tuple[str, ...]
    output_schema: pa.Schema

    def schema(self, block: Block) -> pa.Schema:
        file_schema = self.files[block.source].layout.schema
        return pa.schema([*(file_schema.field(name) for name in self.kept), *self.output_schema])

    def answer(self, flow: LocalFlow, block: Block) -> Iterator[AnsweredRows]:
        file, schema = self.files[block.source], self.schema(block)
        file_format = FORMATS[file.location.suffix]
        names = list(dict.fromkeys([*file.names, *self.kept]))
        first = block.row_range.first
        try:
            for batch in file_format.read(file.location, file.layout, block.row_range, names):
                x = rows(batch, file.names, file.layout.wrong, first)
                tensors = flow.compute(x, self.direction, self.outputs)
                kept = [batch.column(name) for name in self.kept]
                yield to_batch(tensors, schema, kept), _count_invalid(tensors)
                first += batch.num_rows
        except WrongTable as error:
            raise TableError(f"{file.location.name}: {error}") from None


@dataclass(frozen=True, slots=True)
class SampleQuery:
    """Draws a seeded sample. A row depends only on the seed and its index, so any worker draws the same block.

    Attributes:
        sample: all rows of the sample.
        outputs: the outputs that are written.
        output_schema: the columns of the outputs.
    """

    sample: SeededSample
    outputs: tuple[str, ...]
    output_schema: pa.Schema

    def schema(self, block: Block) -> pa.Schema:
        _ = block  # all blocks have the same columns
        return self.output_schema

    def answer(self, flow: LocalFlow, block: Block) -> Iterator[AnsweredRows]:
        first, count = block.row_range.first, block.row_range.rows
        for begin in range(0, count, READ_ROWS):
            sample = replace(self.sample, num_samples=min(READ_ROWS, count - begin), start=first + begin)
            tensors = flow.sample(sample, self.outputs)
            yield to_batch(tensors, self.output_schema, []), _count_invalid(tensors)


def output_schema(outputs: Sequence[str], manifest: Manifest, kept: Sequence[str] = ()) -> pa.Schema:
    """The columns of these outputs, in the same order: x and z have one for each feature, the others have one.

    A computed column whose name the model or a kept column has gets another one (`computed_names`).
    """
    computed = computed_names(manifest.columns, kept)
    names = {
        "x": manifest.columns,
        "z": computed.z,
        "log_prob": computed.log_prob,
        LOG_ABS_DET_JACOBIAN: computed.log_abs_det_jacobian,
    }
    types = {"x": pa.from_numpy_dtype(np.dtype(manifest.dtype))}
    return pa.schema([(name, types.get(output, pa.float32())) for output in outputs for name in names[output]])


def _count_invalid(tensors: Tensors) -> int:
    # A row without an answer is NaN in every output, so one column of one output is enough.
    output = next(iter(tensors.values()))
    return int(np.count_nonzero(np.isnan(output if output.ndim == 1 else output[:, 0])))
