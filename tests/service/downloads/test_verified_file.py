"""A file is verified before it is sent and while it is sent: a complete download has the expected bytes."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from diffeo.bundle.errors import DigestMismatch
from diffeo.service.downloads.verified_file import BLOCK_BYTES, VerifiedFile, VerifiedFiles

NAME = "flow.safetensors"
CONTENT = os.urandom(3 * BLOCK_BYTES + 5)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / NAME).write_bytes(CONTENT)
    return tmp_path


async def sent(file: VerifiedFile, start: int = 0, end: int = len(CONTENT)) -> list[bytes]:
    return [block async for block in file.blocks(start, end)]


@pytest.mark.parametrize(("start", "end"), [(0, len(CONTENT)), (1, BLOCK_BYTES + 1), (BLOCK_BYTES, BLOCK_BYTES + 7)])
def test_the_blocks_are_the_bytes_of_the_file(folder: Path, start: int, end: int) -> None:
    with VerifiedFiles().open(folder, NAME, DIGEST) as file:
        blocks = asyncio.run(sent(file, start, end))
    assert b"".join(blocks) == CONTENT[start:end]
    assert max(map(len, blocks)) <= BLOCK_BYTES


def test_other_bytes_are_not_opened(folder: Path) -> None:
    (folder / NAME).write_bytes(CONTENT[::-1])
    with pytest.raises(DigestMismatch, match="has changed"):
        VerifiedFiles().open(folder, NAME, DIGEST)


def test_a_verified_file_that_changes_is_verified_again(folder: Path) -> None:
    files = VerifiedFiles()
    files.open(folder, NAME, DIGEST).close()
    (folder / "other").write_bytes(CONTENT[::-1])
    (folder / "other").replace(folder / NAME)
    with pytest.raises(DigestMismatch):
        files.open(folder, NAME, DIGEST)


@pytest.mark.parametrize("change", ["overwrite", "truncate"])
def test_a_file_that_changes_while_it_is_sent_never_arrives_whole(folder: Path, change: str) -> None:
    received: list[bytes] = []

    async def receive(file: VerifiedFile) -> None:
        async for block in file.blocks(0, len(CONTENT)):
            if not received:
                (folder / NAME).write_bytes(b"x" * len(CONTENT) if change == "overwrite" else b"")
            received.append(block)

    with VerifiedFiles().open(folder, NAME, DIGEST) as file, pytest.raises(DigestMismatch):
        asyncio.run(receive(file))
    assert sum(map(len, received)) < len(CONTENT)
