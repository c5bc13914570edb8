"""What is asked of a flow by a job: answers to the rows of files, or draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa

from diffeo.bundle.manifest import Manifest
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.density import Direction, Draw, latent
from diffeo.errors import TableError, WrongTable
from diffeo.local.flow import Flow
from diffeo.runtime.finite_rows import Tensors

from .block import Block
from .columns import answered, rows
from .formats import FORMATS
from .formats.format import READ_ROWS, Outline
from .location import Place

Batch = tuple[pa.RecordBatch, int]  # and how many of its rows have no answer


class Ask(Protocol):
    """One thing to ask, block by block."""

    def schema(self, block: Block) -> pa.Schema:
        """The columns of the block's file."""
        ...

    def batches(self, flow: Flow, block: Block) -> Iterator[Batch]:
        """The rows of the block's file, some at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a job: what it is like, and its names of the model's columns."""

    place: Place
    outline: Outline
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the graph of a direction answers to the rows of files.

    Attributes:
        sources: the files.
        direction: which graph.
        parts: what of its answer is written.
        kept: columns of the files that are written as they are, before it.
        columns: of what is computed.
    """

    sources: tuple[Source, ...]
    direction: Direction
    parts: tuple[str, ...]
    kept: tuple[str, ...]
    columns: pa.Schema

    def schema(self, block: Block) -> pa.Schema:
        own = self.sources[block.source].outline.schema
        return pa.schema([*(own.field(name) for name in self.kept), *self.columns])

    def batches(self, flow: Flow, block: Block) -> Iterator[Batch]:
        source, schema = self.sources[block.source], self.schema(block)
        reader = FORMATS[source.place.suffix]
        wanted = list(dict.fromkeys([*source.names, *self.kept]))
        first = block.span.first
        try:
            for batch in reader.read(source.place, source.outline, block.span, wanted):
                x = rows(batch, source.names, source.outline.wrong, first)
                tensors = flow.answer(x, self.direction, self.parts)
                kept = [batch.column(name) for name in self.kept]
                yield answered(tensors, schema, kept), _invalid(tensors)
                first += batch.num_rows
        except WrongTable as error:
            raise TableError(f"{source.place.name}: {error}") from None


@dataclass(frozen=True, slots=True)
class Draws:
    """Rows of a seeded sample; a block is addressed by its first row, so whoever draws it draws the same.

    Attributes:
        draw: the whole sample.
        parts: what of it is written.
        columns: of what is written.
    """

    draw: Draw
    parts: tuple[str, ...]
    columns: pa.Schema

    def schema(self, block: Block) -> pa.Schema:
        _ = block  # all are alike
        return self.columns

    def batches(self, flow: Flow, block: Block) -> Iterator[Batch]:
        for done in range(0, block.span.rows, READ_ROWS):
            count, start = min(READ_ROWS, block.span.rows - done), block.span.first + done
            tensors = flow.sample(replace(self.draw, num_samples=count, start=start), self.parts)
            yield answered(tensors, self.columns, []), _invalid(tensors)


def computed(parts: Sequence[str], manifest: Manifest) -> pa.Schema:
    """The columns that parts of an answer take, in their order."""
    x, z = manifest.columns, latent(manifest.columns)
    names = {"x": x, "z": z, "log_prob": ("log_prob",), LOG_ABS_DET_JACOBIAN: (LOG_ABS_DET_JACOBIAN,)}
    kinds = {"x": pa.from_numpy_dtype(np.dtype(manifest.dtype))}
    return pa.schema([(name, kinds.get(part, pa.float32())) for part in parts for name in names[part]])


def _invalid(tensors: Tensors) -> int:
    # A row without an answer is NaN in all that was computed of it.
    first = next(iter(tensors.values()))
    return int(np.count_nonzero(np.isnan(first if first.ndim == 1 else first[:, 0])))
