"""The folder of a job: its parts, which of them are done, and at the end a manifest in place of the notes.

_job.json says which job it is, so that another is not mixed into it; _blocks/ holds a record for each part that is
done, so that a job that was killed goes on; _manifest.json appears when all are. Readers of tables pass over such
names.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from diffeo.errors import FolderInUse, TableError

from .block import Record
from .location import Place

JOB: Final = "_job.json"
MANIFEST: Final = "_manifest.json"
BLOCKS: Final = "_blocks"
# What a manifest says beside the job itself.
RESULTS: Final = frozenset({"rows", "invalid", "files"})

Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Journal:
    """What a folder knows of its job."""

    folder: Place

    def begin(self, job: Facts) -> list[Record]:
        """Take the folder for a job; what of it is done there already.

        Raises:
            FolderInUse: the folder holds another job, or files of somebody else.
            TableError: the folder cannot be written to.
        """
        held = self.held()
        if held is not None and held != job:
            names = [name for name in job.keys() | held.keys() if job.get(name) != held.get(name)]
            raise FolderInUse(
                f"{self.folder.path} holds a job of another {', '.join(sorted(names))}; name another folder"
            )
        if held is None and self.folder.names():
            raise FolderInUse(f"{self.folder.path} holds other files; name a folder that is empty or not there")
        if (text := self.folder.inside(MANIFEST).read()) is not None:
            # It may have been killed on its way out.
            self._tidy()
            return [Record(**part) for part in json.loads(text)["files"]]
        try:
            self.folder.system.makedirs(self.folder.inside(BLOCKS).path, exist_ok=True)
            self.folder.inside(JOB).write(_text(job))
        except OSError as error:
            raise TableError(f"{self.folder.path} cannot be written: {error}") from None
        blocks = self.folder.inside(BLOCKS)
        texts = [blocks.inside(name).read() for name in blocks.names() if name.endswith(".json")]
        return [Record.parse(text) for text in texts if text is not None]

    def held(self) -> Facts | None:
        """The job that the folder is of."""
        for name in (MANIFEST, JOB):
            if (text := self.folder.inside(name).read()) is not None:
                job: Facts = json.loads(text)
                return {key: value for key, value in job.items() if key not in RESULTS}
        return None

    @property
    def ended(self) -> bool:
        """Whether all of it is done."""
        return self.folder.inside(MANIFEST).read() is not None

    def part(self, number: int, written: str) -> Place:
        """The file of a block."""
        return self.folder.inside(f"part-{number:08d}.{written}")

    def note(self, record: Record) -> None:
        """A block is done; its file is there."""
        self.folder.inside(BLOCKS).inside(f"{record.number:08d}.json").write(record.dump())

    def end(self, job: Facts, records: Sequence[Record]) -> None:
        """All are done: the manifest takes the place of the notes."""
        parts = sorted(records, key=lambda record: record.number)
        rows, invalid = sum(part.rows for part in parts), sum(part.invalid for part in parts)
        whole = {**job, "rows": rows, "invalid": invalid, "files": [asdict(part) for part in parts]}
        self.folder.inside(MANIFEST).write(_text(whole))
        self._tidy()

    def _tidy(self) -> None:
        # Notes, and what a worker that was killed had half written.
        for name in self.folder.names():
            if name in {JOB, BLOCKS} or name.startswith("."):
                self.folder.system.rm(self.folder.inside(name).path, recursive=True)


def _text(facts: Facts) -> bytes:
    return (json.dumps(facts, indent=1) + "\n").encode()
