"""A block from its rows to its file and its record: the same block is the same bytes, whoever does it."""

from dataclasses import dataclass

from diffeo.bundle.read import Bundle
from diffeo.errors import TableError
from diffeo.local.flow import LocalFlow

from .block import Block, Record
from .formats import FORMATS
from .job_folder import Journal
from .query import Ask


@dataclass(frozen=True, slots=True)
class Work:
    """All that a worker needs to know, the model itself included.

    Attributes:
        bundle: the model.
        precision: what to compute in; the bundle's own unless named.
        ask: what is asked of it.
        journal: where the parts go.
        written: in which format.
    """

    bundle: Bundle
    precision: str | None
    ask: Ask
    journal: Journal
    written: str


class Worker:
    """One core at work.

    Args:
        work: what to do.

    Raises:
        DiffeoError: the bundle is not there in this precision.
        EngineFailed: a graph does not load.
        GoldenDisagrees: this machine computes other numbers than the bundle was certified with.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._flow = LocalFlow(work.bundle, work.precision, threads=1)

    def do(self, block: Block) -> Record:
        """Compute a block; its file appears when it is whole, and its record after it.

        Raises:
            TableError: its rows cannot be read, or the file cannot be written.
        """
        work, invalid = self._work, 0
        schema, form = work.ask.schema(block), FORMATS[f".{work.written}"]
        place = work.journal.part(block.number, work.written)
        try:
            with place.writing() as stream, form.sink(stream, schema, block.span.rows) as sink:
                for batch, blank in work.ask.batches(self._flow, block):
                    sink.write(batch)
                    invalid += blank
            span = block.span
            record = Record(block.number, block.source, span.first, span.rows, invalid, place.name, stream.sha256)
            work.journal.note(record)
        except (OSError, ValueError) as error:
            raise TableError(f"block {block.number}, rows from {block.span.first} on: {error}") from error
        return record
