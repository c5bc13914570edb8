"""Preflight results that processes share in one file: each result is read by all, and nothing half-written is read."""

import asyncio
import os
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


def test_a_check_adds_its_result(file: IO[bytes]) -> None:
    async def check(_: VersionKey) -> PreflightResult:
        return GOOD

    async def checked() -> PreflightResult:
        return await results.adding(check)(("moons", 3))

    results = SharedResults(file)
    assert asyncio.run(checked()) == GOOD
    assert results.read() == {("moons", 3): GOOD}
