"""A file of a bundle that is verified before its first byte is sent, and again while it is sent."""

import hashlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, Self

from diffeo.bundle.errors import DigestMismatch
from diffeo.bundle.read import open_file

from .. import offload

BLOCK_BYTES: Final = 256 * 1024
MAX_VERIFIED: Final = 4096

# Device, inode, size, and the times of the last changes of content and of inode.
Identity = tuple[int, int, int, int, int]


class VerifiedFiles:
    """Opens files and verifies each once, as long as its identity stays the same."""

    def __init__(self) -> None:
        self._verified: dict[str, Identity] = {}

    def open(self, folder: Path, name: str, sha256: str) -> "VerifiedFile":
        """Open a file, and read all of it unless it is verified already; call this in a thread.

        Raises:
            BundleError: the file is missing, unsafe or has changed.
        """
        file = VerifiedFile(name, sha256, open_file(folder, name))
        if self._verified.get(sha256) != file.identity:
            try:
                file.verify()
            except BaseException:
                file.close()
                raise
            if len(self._verified) >= MAX_VERIFIED:
                self._verified.clear()
            self._verified[sha256] = file.identity
        return file


class VerifiedFile:
    """An open file.

    Args:
        name: its name, for errors.
        sha256: the expected SHA-256 of its content.
        handle: its descriptor, which `close` closes.
    """

    def __init__(self, name: str, sha256: str, handle: int) -> None:
        self._name = name
        self._sha256 = sha256
        self._handle = handle
        self.identity = _identity(handle)
        self.size = self.identity[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def verify(self) -> None:
        """Read the whole file.

        Raises:
            DigestMismatch: its content is not the expected one.
        """
        digest = hashlib.sha256()
        for start in range(0, self.size, BLOCK_BYTES):
            digest.update(os.pread(self._handle, BLOCK_BYTES, start))
        self._compare(digest.hexdigest())

    async def blocks(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to before `end`, in blocks. The last one comes only if nothing has changed.

        Raises:
            DigestMismatch: the file has changed since it was opened.
        """
        # The whole file is hashed again as it is sent. A part is compared by identity alone.
        digest = hashlib.sha256() if end - start == self.size else None
        for position in range(start, end, BLOCK_BYTES):
            block = await offload.in_thread(self._read, position, min(BLOCK_BYTES, end - position))
            if digest is not None:
                digest.update(block)
            if position + BLOCK_BYTES >= end:
                if _identity(self._handle) != self.identity:
                    raise DigestMismatch(f"{self._name} changed while it was sent")
                if digest is not None:
                    self._compare(digest.hexdigest())
            yield block

    def _read(self, position: int, size: int) -> bytes:
        block = os.pread(self._handle, size, position)
        if len(block) != size:
            raise DigestMismatch(f"{self._name} became shorter while it was sent")
        return block

    def _compare(self, digest: str) -> None:
        if digest != self._sha256:
            raise DigestMismatch(f"{self._name} has changed (sha256 differs)")


def _identity(handle: int) -> Identity:
    status = os.fstat(handle)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
