"""Runs a job: skips the blocks that an earlier run finished, computes the others, and writes the manifest."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from .block import Block, BlockRecord
from .executors import BlockExecutor
from .job import Job
from .job_folder import JobFolder
from .location import Location
from .worker import WorkerSpec


@dataclass(frozen=True, slots=True)
class JobSummary:
    """The numbers of a finished job.

    Attributes:
        rows: rows of all blocks.
        invalid: rows without an answer.
        blocks: number of blocks, which is the number of files.
        computed: rows that this run computed; an earlier run computed the others.
        seconds: duration of this run.
        folder: the folder with the files.
    """

    rows: int
    invalid: int
    blocks: int
    computed: int
    seconds: float
    folder: Location

    def __str__(self) -> str:
        reused = self.rows - self.computed
        details = [f"{self.rows:,} rows in {self.blocks:,} files in {self.folder.path}"]
        if self.invalid:
            details.append(f"{self.invalid:,} rows without an answer")
        if reused and self.computed:
            details.append(f"{reused:,} rows from an earlier run")
        if self.computed:
            details.append(f"{self.seconds:.1f} s, {self.computed / self.seconds:,.0f} rows/s")
        else:
            details.append("nothing to do")
        return "; ".join(details)


def run(job: Job, location: Location, executor: BlockExecutor) -> JobSummary:
    """Compute a job, or the rest of it, and write it into the folder at this location.

    Raises:
        FolderInUse: the folder holds another job or other files.
        TableError: a file cannot be read or written. Finished blocks stay, and the same job resumes after them.
        WorkerLost: the system ended a worker process.
    """
    started, folder = time.monotonic(), JobFolder(location)
    earlier = folder.claim(job.description)
    finished = {record.number for record in earlier}
    missing = [block for block in job.blocks if block.number not in finished]
    computed = list(_compute(job, folder, executor, missing))
    records = [*earlier, *computed]
    if not folder.is_complete:
        folder.complete(job.description, records)
    return JobSummary(
        rows=job.rows,
        invalid=sum(record.invalid for record in records),
        blocks=len(records),
        computed=sum(record.rows for record in computed),
        seconds=time.monotonic() - started,
        folder=location,
    )


def _compute(job: Job, folder: JobFolder, executor: BlockExecutor, blocks: Sequence[Block]) -> Iterator[BlockRecord]:
    if not blocks:
        return
    spec = WorkerSpec(job.model.bundle, job.model.precision, job.query, folder, job.output_format)
    finished_rows = job.rows - sum(block.row_range.rows for block in blocks)
    with tqdm(
        total=job.rows, initial=finished_rows, desc=job.operation, unit="row", unit_scale=True, file=sys.stderr
    ) as bar:
        for record in executor(spec, blocks):
            bar.update(record.rows)
            yield record
