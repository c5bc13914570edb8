"""`Worker`: computes one block after another and writes the file and the record of each."""

from dataclasses import dataclass

from diffeo.bundle.read import Bundle
from diffeo.errors import TableError
from diffeo.local.flow import LocalFlow

from .block import Block, BlockRecord
from .formats import FORMATS
from .job_folder import JobFolder
from .query import Query


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """Everything that a worker needs. It can be pickled, so workers may run in other processes and on other machines.

    Attributes:
        bundle: the model.
        precision: precision of the graphs; None for the bundle's own.
        query: what to compute.
        folder: the folder for files and records.
        output_format: the format of the files, such as "parquet".
    """

    bundle: Bundle
    precision: str | None
    query: Query
    folder: JobFolder
    output_format: str


class Worker:
    """Computes blocks on one core. Every worker writes the same bytes for the same block.

    Raises:
        DiffeoError: the bundle has no graphs of this precision.
        EngineFailed: a graph does not load.
        GoldenDisagrees: this machine computes other numbers than the golden vectors of the bundle.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._flow = LocalFlow(spec.bundle, spec.precision, threads=1)

    def compute_block(self, block: Block) -> BlockRecord:
        """Compute a block, write its file, then write its record.

        Raises:
            TableError: the rows cannot be read, or a file cannot be written.
        """
        query, folder, output_format = self._spec.query, self._spec.folder, self._spec.output_format
        file, row_range, invalid = folder.block_file(block.number, output_format), block.row_range, 0
        open_writer = FORMATS[f".{output_format}"].open_writer
        try:
            with (
                file.open_for_writing() as stream,
                open_writer(stream, query.schema(block), row_range.rows) as writer,
            ):
                for batch, invalid_rows in query.answer(self._flow, block):
                    writer.write(batch)
                    invalid += invalid_rows
            record = BlockRecord(
                block.number, block.source, row_range.first, row_range.rows, invalid, file.name, stream.sha256
            )
            folder.add_record(record)
        except (OSError, ValueError) as error:
            raise TableError(f"block {block.number}, rows from {row_range.first} on: {error}") from error
        return record
