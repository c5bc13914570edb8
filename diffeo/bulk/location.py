"""Files and folders on this disk or in an object store, through fsspec; a written file appears only when complete."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final, Self

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from diffeo.errors import TableError

# The file systems of fsspec raise these, or subclasses of them, when they cannot reach a file.
FILE_SYSTEM_ERRORS: Final = (OSError, ImportError, ValueError)
# File systems name the time or the tag of the last change differently.
CHANGE_TAGS: Final = ("mtime", "ETag", "etag", "LastModified", "last_modified", "updated")


@dataclass(frozen=True, slots=True)
class Location:
    """A file or a folder: a file system and a path in it."""

    file_system: fsspec.AbstractFileSystem
    path: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """The suffix of the name in lower case, such as .csv or .csv.gz."""
        suffixes = PurePosixPath(self.path.lower()).suffixes
        return "".join(suffixes[-2:] if suffixes[-1:] in ([".gz"], [".zst"]) else suffixes[-1:])

    @property
    def url(self) -> str:
        """The URL of this location, which other machines can use too."""
        return str(self.file_system.unstrip_protocol(self.path))

    def child(self, name: str) -> Self:
        """The file or folder with this name in this folder."""
        return type(self)(self.file_system, f"{self.path.rstrip('/')}/{name}")

    def fingerprint(self) -> dict[str, object]:
        """The size of the file, and the time or the tag of its last change where the file system has one."""
        info = self.file_system.info(self.path)
        return {"bytes": info["size"], "tag": next((str(info[tag]) for tag in CHANGE_TAGS if tag in info), None)}

    def open(self) -> pa.NativeFile:
        """Open the file for reading at any position."""
        if isinstance(self.file_system, LocalFileSystem):
            return pa.OSFile(self.path)
        return pa.PythonFile(self.file_system.open(self.path, "rb"), mode="r")

    def list_names(self) -> list[str]:
        """The names in this folder, sorted; an empty list if the folder does not exist."""
        with suppress(FileNotFoundError):
            paths = self.file_system.ls(self.path, detail=False, refresh=True)
            return sorted(PurePosixPath(path).name for path in paths)
        return []

    def read(self) -> bytes | None:
        """The content of the file; None if the file does not exist."""
        with suppress(FileNotFoundError):
            return bytes(self.file_system.cat_file(self.path))
        return None

    def write(self, content: bytes) -> None:
        """Write the content of the file, as `open_for_writing` does."""
        with self.open_for_writing() as stream:
            stream.write(content)

    @contextmanager
    def open_for_writing(self) -> Iterator["HashingStream"]:
        """A stream to a new file. The file appears when the `with` block ends, and not if the block raises an error."""
        if not isinstance(self.file_system, LocalFileSystem):
            # An object store shows an object only after it was closed.
            with self.file_system.open(self.path, "wb") as file:
                yield HashingStream(file)
            return
        draft = f"{PurePosixPath(self.path).parent}/.{self.name}.{os.getpid()}.part"
        try:
            with open(draft, "wb") as file:  # noqa: PTH123  (paths of fsspec are text)
                yield HashingStream(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)  # noqa: PTH105  (as above)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)  # noqa: PTH108  (as above)


class HashingStream:
    """A writable stream that computes the SHA-256 of everything written to it; it cannot seek."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._size = 0
        self.closed = False

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes written until now, as hexadecimal digits."""
        return self._sha256.hexdigest()

    def write(self, content: bytes) -> int:
        """Append bytes."""
        self._sha256.update(content)
        self._file.write(content)
        self._size += len(content)
        return len(content)

    def tell(self) -> int:
        """Number of bytes written until now."""
        return self._size

    def flush(self) -> None:
        """Does nothing: this class has no buffer."""

    def close(self) -> None:
        """Does nothing: the code that opened the file closes it."""


def locate(url: str) -> Location:
    """The location that a path of this machine or a URL names.

    >>> locate("memory://folder/rows.csv").name
    'rows.csv'

    Raises:
        TableError: fsspec does not know the protocol, or a package for it is not installed.
    """
    try:
        return Location(*fsspec.core.url_to_fs(url))
    except FILE_SYSTEM_ERRORS as error:
        raise TableError(f"cannot open {url}: {error}") from None


def find_files(urls: Sequence[str], suffixes: frozenset[str]) -> list[Location]:
    """The input files that these paths and URLs name.

    Each of them is a file, a pattern with `*`, or a folder. A folder stands for the files in it that have one of the
    suffixes.

    Raises:
        TableError: a path names no file, or a file of an unknown format.
    """
    files: list[Location] = []
    for url in urls:
        location = locate(url)
        try:
            files += _matching_files(location, url, suffixes)
        except FILE_SYSTEM_ERRORS as error:
            raise TableError(f"cannot read {url}: {error}") from None
    for file in files:
        if file.suffix not in suffixes:
            raise TableError(
                f"{file.name} has no known format; name a file that ends with {', '.join(sorted(suffixes))}"
            )
    return files


def _matching_files(location: Location, url: str, suffixes: frozenset[str]) -> list[Location]:
    system = location.file_system
    if "*" in location.path:
        paths = [str(path) for path in system.glob(location.path)]
    elif system.isdir(location.path):
        # Other readers of table folders also skip names that begin with . or _.
        files = [location.child(name) for name in location.list_names() if not name.startswith((".", "_"))]
        # A folder often has a text with notes beside its tables.
        paths = [file.path for file in files if file.suffix in suffixes - {".txt"}]
    else:
        paths = [location.path] if system.exists(location.path) else []
    if not paths:
        raise TableError(f"no file {url}")
    return [Location(system, path) for path in sorted(paths)]
