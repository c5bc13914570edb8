"""The output folder of a job: the files of its blocks, the records of finished blocks, and at the end the manifest.

_job.json describes the job, so that no other job writes into the folder. _blocks/ holds one record for each finished
block, so that a killed job resumes. When all blocks are finished, _manifest.json replaces both. Readers of table
folders skip names that begin with "_".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from diffeo.errors import FolderInUse, TableError

from .block import BlockRecord
from .location import Location

JOB: Final = "_job.json"
MANIFEST: Final = "_manifest.json"
BLOCKS: Final = "_blocks"
# The other keys of a manifest; the rest are the description of the job.
RESULT_KEYS: Final = frozenset({"rows", "invalid", "files"})
SCHEMA: Final = "diffeo-job/2"
# Version 1 had these keys under other names.
KEYS_OF_VERSION_1: Final = {"verb": "operation", "parts": "outputs"}
OPERATIONS_OF_VERSION_1: Final = {"score": "log_prob"}

JobDescription = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder that one job writes."""

    location: Location

    def claim(self, job: JobDescription) -> list[BlockRecord]:
        """Reserve the folder for a job; returns the records of the blocks that an earlier run finished.

        Raises:
            FolderInUse: the folder holds another job, or files that no job wrote.
            TableError: the folder cannot be written.
        """
        self._check_owner(job)
        if (text := self.location.child(MANIFEST).read()) is not None:
            # The earlier run may have been killed before it removed its working files.
            self._remove_working_files()
            return [BlockRecord(**record) for record in json.loads(text)["files"]]
        blocks = self.location.child(BLOCKS)
        try:
            self.location.file_system.makedirs(blocks.path, exist_ok=True)
            self.location.child(JOB).write(_to_json(job))
        except OSError as error:
            raise TableError(f"cannot write the folder {self.location.path}: {error}") from None
        texts = [blocks.child(name).read() for name in blocks.list_names() if name.endswith(".json")]
        return [BlockRecord.from_json(text) for text in texts if text is not None]

    def read_description(self) -> JobDescription | None:
        """The description of the job that the folder holds; None if it holds no job."""
        for name in (MANIFEST, JOB):
            if (text := self.location.child(name).read()) is not None:
                content: JobDescription = json.loads(text)
                return _upgrade({key: value for key, value in content.items() if key not in RESULT_KEYS})
        return None

    @property
    def is_complete(self) -> bool:
        """Whether all blocks of the job are finished."""
        return self.location.child(MANIFEST).read() is not None

    def block_file(self, number: int, output_format: str) -> Location:
        """The file of the block with this number."""
        return self.location.child(f"part-{number:08d}.{output_format}")

    def add_record(self, record: BlockRecord) -> None:
        """Record that a block is finished; call this after its file was written."""
        self.location.child(BLOCKS).child(f"{record.number:08d}.json").write(record.to_json())

    def complete(self, job: JobDescription, records: Sequence[BlockRecord]) -> None:
        """Write the manifest and remove the working files; call this when all blocks are finished."""
        ordered = sorted(records, key=lambda record: record.number)
        rows, invalid = sum(record.rows for record in ordered), sum(record.invalid for record in ordered)
        manifest = {**job, "rows": rows, "invalid": invalid, "files": [asdict(record) for record in ordered]}
        self.location.child(MANIFEST).write(_to_json(manifest))
        self._remove_working_files()

    def _check_owner(self, job: JobDescription) -> None:
        stored, path = self.read_description(), self.location.path
        if stored is not None and stored != job:
            keys = sorted(key for key in job.keys() | stored.keys() if job.get(key) != stored.get(key))
            raise FolderInUse(
                f"{path} holds another job, which differs in: {', '.join(keys)}; name another folder as --out"
            )
        if stored is None and self.location.list_names():
            raise FolderInUse(f"{path} holds other files; name an empty or a new folder as --out")

    def _remove_working_files(self) -> None:
        # A killed worker leaves an unfinished file whose name begins with a dot.
        for name in self.location.list_names():
            if name in {JOB, BLOCKS} or name.startswith("."):
                self.location.file_system.rm(self.location.child(name).path, recursive=True)


def _upgrade(job: JobDescription) -> JobDescription:
    """The description in the keys of today, so that a job of an earlier release resumes."""
    if job.get("schema") != "diffeo-job/1":
        return job
    renamed = {KEYS_OF_VERSION_1.get(key, key): value for key, value in job.items()}
    operation = str(renamed["operation"])
    # Version 1 had no choice for wrong cells: they left their row without an answer.
    wrong = {"wrong": "null"} if "inputs" in renamed else {}
    return {**renamed, **wrong, "schema": SCHEMA, "operation": OPERATIONS_OF_VERSION_1.get(operation, operation)}


def _to_json(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()
