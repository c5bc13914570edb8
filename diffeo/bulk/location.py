"""Files wherever fsspec reaches, on this disk or in an object store; what is written appears when it is whole."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final, Self

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from diffeo.errors import TableError

# What reaching for a file can raise, by the file systems that fsspec knows: their own errors are OSErrors or these.
UNREACHABLE: Final = (OSError, ImportError, ValueError)


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder: its file system, and its path there."""

    system: fsspec.AbstractFileSystem
    path: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """What its name ends with, in lower case."""
        return PurePosixPath(self.path).suffix.lower()

    @property
    def url(self) -> str:
        """Where it is, for every machine that can reach it."""
        return str(self.system.unstrip_protocol(self.path))

    def inside(self, name: str) -> Self:
        """A file in this folder."""
        return type(self)(self.system, f"{self.path.rstrip('/')}/{name}")

    def state(self) -> dict[str, object]:
        """What tells whether it was changed: its size, and the time or tag where the system has one."""
        facts = self.system.info(self.path)
        tags = ("mtime", "ETag", "etag", "LastModified", "last_modified", "updated")
        return {"bytes": facts["size"], "tag": next((str(facts[tag]) for tag in tags if tag in facts), None)}

    def open(self) -> pa.NativeFile:
        """The file, to be read from any place in it."""
        if isinstance(self.system, LocalFileSystem):
            return pa.OSFile(self.path)
        return pa.PythonFile(self.system.open(self.path, "rb"), mode="r")

    def names(self) -> list[str]:
        """The files in this folder; none where it is not there."""
        with suppress(FileNotFoundError):
            return sorted(PurePosixPath(path).name for path in self.system.ls(self.path, detail=False, refresh=True))
        return []

    def read(self) -> bytes | None:
        """The whole file; None where it is not there."""
        with suppress(FileNotFoundError):
            return bytes(self.system.cat_file(self.path))
        return None

    def write(self, content: bytes) -> None:
        """Write the whole file."""
        with self.writing() as stream:
            stream.write(content)

    @contextmanager
    def writing(self) -> Iterator["Hashed"]:
        """A stream whose file appears at the end of the block, unless an error ends it."""
        if not isinstance(self.system, LocalFileSystem):
            # An object store shows an object once it was closed.
            with self.system.open(self.path, "wb") as file:
                yield Hashed(file)
            return
        draft = f"{PurePosixPath(self.path).parent}/.{self.name}.{os.getpid()}.part"
        try:
            with open(draft, "wb") as file:  # noqa: PTH123  (fsspec's paths are text)
                yield Hashed(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)  # noqa: PTH105  (as above)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)  # noqa: PTH108  (as above)


class Hashed:
    """A stream that is written once from its beginning, and the SHA-256 of what went through."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._size = 0
        self.closed = False

    @property
    def sha256(self) -> str:
        """Of all that was written so far."""
        return self._sha256.hexdigest()

    def write(self, content: bytes) -> int:
        """Append."""
        self._sha256.update(content)
        self._file.write(content)
        self._size += len(content)
        return len(content)

    def tell(self) -> int:
        """How much was written."""
        return self._size

    def flush(self) -> None:
        """Nothing is kept back here."""

    def close(self) -> None:
        """Whoever opened the file closes it."""


def locate(url: str) -> Place:
    """The file or folder that a path of this machine or a URL names.

    Raises:
        TableError: no file system is known by that protocol, or what it needs is not installed.
    """
    try:
        return Place(*fsspec.core.url_to_fs(url))
    except UNREACHABLE as error:
        raise TableError(f"{url}: {error}") from None


def found(urls: list[str], suffixes: frozenset[str]) -> list[Place]:
    """The files that are meant: a file, the matches of a pattern, or what a folder holds of these formats.

    Raises:
        TableError: there is none, or its format is not known.
    """
    files: list[Place] = []
    for url in urls:
        place = locate(url)
        try:
            files += _meant(place, url, suffixes)
        except UNREACHABLE as error:
            raise TableError(f"{url} cannot be read: {error}") from None
    for file in files:
        if file.suffix not in suffixes:
            raise TableError(f"{file.name}: rows are read from {', '.join(sorted(suffixes))} files")
    return files


def _meant(place: Place, url: str, suffixes: frozenset[str]) -> list[Place]:
    if "*" in place.path:
        paths = [str(path) for path in place.system.glob(place.path)]
    elif place.system.isdir(place.path):
        # As other readers do: names that begin with . or _ are not data.
        inside = [place.inside(name) for name in place.names() if not name.startswith((".", "_"))]
        paths = [file.path for file in inside if file.suffix in suffixes]
    else:
        paths = [place.path] if place.system.exists(place.path) else []
    if not paths:
        raise TableError(f"no file {url}")
    return [Place(place.system, path) for path in sorted(paths)]
