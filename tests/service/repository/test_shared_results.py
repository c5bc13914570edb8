"""Preflight results that processes share in one file: each result is read by all, and nothing half-written is read."""

import asyncio
import os
import random
import threading
from collections.abc import Iterator
from typing import IO

import pytest

from diffeo.bundle.proof import Proof
from diffeo.service.process.worker_process import memory_file
from diffeo.service.repository import shared_results
from diffeo.service.repository.result import PreflightResult
from diffeo.service.repository.scan import VersionKey
from diffeo.service.repository.shared_results import SharedResults

GOOD = PreflightResult((("manifest.json", 1, 2, 3, 4),), None, proof=Proof("ab", 64))
REFUSED = PreflightResult((), "it has no manifest")


@pytest.fixture
def file() -> Iterator[IO[bytes]]:
    with memory_file() as opened:
        yield opened


def test_a_new_process_reads_the_results_of_all_others(file: IO[bytes]) -> None:
    first, second = SharedResults(file), SharedResults(file.fileno())
    first.add({("moons", 1): GOOD})
    second.add({("moons", 2): REFUSED, ("circles", 1): GOOD})
    assert SharedResults(file).read() == {("moons", 1): GOOD, ("moons", 2): REFUSED, ("circles", 1): GOOD}


def test_the_last_result_of_a_version_counts(file: IO[bytes]) -> None:
    results = SharedResults(file)
    results.add({("moons", 1): REFUSED})
    results.add({("moons", 1): GOOD})
    assert results.read() == {("moons", 1): GOOD}


def test_a_line_that_is_not_complete_is_not_read(file: IO[bytes]) -> None:
    results = SharedResults(file)
    results.add({("moons", 1): GOOD})
    os.pwrite(file.fileno(), b'[["circles", 1, [', os.fstat(file.fileno()).st_size)
    assert results.read() == {("moons", 1): GOOD}
    results.add({("moons", 2): GOOD})
    assert results.read() == {("moons", 1): GOOD, ("moons", 2): GOOD}


def test_a_result_that_is_known_takes_no_room(file: IO[bytes]) -> None:
    results = SharedResults(file)
    results.add({("moons", 1): GOOD})
    size = os.fstat(file.fileno()).st_size
    SharedResults(file).add({("moons", 1): GOOD})
    assert os.fstat(file.fileno()).st_size == size


def test_a_full_file_keeps_the_newest_results(file: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_results, "MOST_BYTES", 2000)
    results = SharedResults(file)
    for version in range(1, 100):
        results.add({("moons", version): GOOD})
        assert ("moons", version) in results.read()
        assert os.fstat(file.fileno()).st_size <= 2000


def test_a_full_file_of_one_version_keeps_its_last_result(file: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_results, "MOST_BYTES", 500)
    results = SharedResults(file)
    for number in range(50):
        results.add({("moons", 1): REFUSED if number % 2 else GOOD, ("circles", 1): GOOD})
    assert results.read() == {("moons", 1): REFUSED, ("circles", 1): GOOD}


class Reads:
    """The bytes that processes read from the files of results."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._pread = os.pread

    def __call__(self, descriptor: int, size: int, offset: int) -> bytes:
        content = self._pread(descriptor, size, offset)
        self.sizes.append(len(content))
        return content


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    reads = Reads()
    monkeypatch.setattr(os, "pread", reads)
    return reads


def test_an_addition_reads_only_what_is_new_however_much_the_file_holds(file: IO[bytes], reads: Reads) -> None:
    first, second = SharedResults(file), SharedResults(file)
    first.add({("moons", version): GOOD for version in range(1, 2000)})
    assert len(first.read()) == len(second.read()) == 1999
    reads.sizes.clear()
    for version in range(2000, 2010):
        first.add({("moons", version): GOOD})
        second.add({("circles", version): REFUSED})
    assert max(reads.sizes) < 1000
    assert first.read() == second.read() == SharedResults(file).read()
    assert len(first.read()) == 1999 + 20


def test_processes_that_add_by_turns_agree_after_every_addition(
    file: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small, so that a process often finds the file written again by others, and longer than it was before.
    monkeypatch.setattr(shared_results, "MOST_BYTES", 1500)
    processes = [SharedResults(file) for _ in range(20)]
    choice = random.Random(1)
    for _ in range(1000):
        added = {(choice.choice(["moons", "circles"]), choice.randrange(40)): choice.choice([GOOD, REFUSED])}
        choice.choice(processes).add(added)
        if choice.random() < 0.1:
            # A process was killed while it wrote.
            os.pwrite(file.fileno(), b'[["circles", 1, [', os.fstat(file.fileno()).st_size)
        seen = choice.choice(processes).read()
        assert seen == SharedResults(file).read()
        assert added.items() <= seen.items()


def test_a_result_is_added_outside_the_event_loop(file: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(SharedResults, "add", lambda *_: threads.append(threading.get_ident()))

    async def check(_: VersionKey) -> PreflightResult:
        return GOOD

    async def checked() -> int:
        await SharedResults(file).adding(check)(("moons", 3))
        return threading.get_ident()

    assert asyncio.run(checked()) not in threads
    assert len(threads) == 1


def test_a_check_adds_its_result(file: IO[bytes]) -> None:
    async def check(_: VersionKey) -> PreflightResult:
        return GOOD

    async def checked() -> PreflightResult:
        return await results.adding(check)(("moons", 3))

    results = SharedResults(file)
    assert asyncio.run(checked()) == GOOD
    assert results.read() == {("moons", 3): GOOD}
