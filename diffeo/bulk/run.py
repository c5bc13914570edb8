"""A job to its end: what is done already is kept, the rest is computed by a crew, and a manifest ends it."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Never

from tqdm import tqdm

from .block import Record
from .executors import Crew
from .job import Job
from .job_folder import Journal
from .location import Place
from .worker import Work


@dataclass(frozen=True, slots=True)
class Summary:
    """What a job came to.

    Attributes:
        rows: of all its parts.
        invalid: rows among them that have no answer.
        parts: files.
        computed: rows that were computed now.
        seconds: that it took now.
        folder: where the files are.
    """

    rows: int
    invalid: int
    parts: int
    computed: int
    seconds: float
    folder: Place

    def __str__(self) -> str:
        kept = f" ({self.rows - self.computed:,} were there)" if self.computed < self.rows else ""
        blank = f", {self.invalid:,} of them without an answer" if self.invalid else ""
        pace = f"{self.computed / self.seconds:,.0f} rows/s" if self.computed else "nothing to do"
        parts = f"{self.parts:,} parts in {self.folder.path}"
        return f"{self.rows:,} rows{kept}{blank} in {parts}: {self.seconds:.1f} s, {pace}"


def run(job: Job, folder: Place, crew: Crew) -> Summary:
    """Do a job, or what is left of it.

    Raises:
        FolderInUse: the folder holds another job.
        TableError: a file cannot be read or written; what is done stays, and the same job goes on from there.
        WorkerLost: a process of the crew was ended.
    """
    began, journal = time.monotonic(), Journal(folder)
    records = journal.begin(job.facts)
    there = {record.number for record in records}
    left = [block for block in job.blocks if block.number not in there]
    work = Work(job.model.bundle, job.model.precision, job.ask, journal, job.written)
    fresh: list[Record] = []
    if left:
        with _progress(job, records) as bar:
            for record in crew(work, left):
                fresh.append(record)
                bar.update(record.rows)
    records += fresh
    if not journal.ended:
        journal.end(job.facts, records)
    invalid = sum(record.invalid for record in records)
    computed = sum(record.rows for record in fresh)
    return Summary(job.rows, invalid, len(records), computed, time.monotonic() - began, folder)


@contextmanager
def _progress(job: Job, done: Sequence[Record]) -> Iterator["tqdm[Never]"]:
    there = sum(record.rows for record in done)
    with tqdm(
        total=job.rows, initial=there, desc=str(job.facts["verb"]), unit="row", unit_scale=True, file=sys.stderr
    ) as bar:
        yield bar
