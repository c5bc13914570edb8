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
    file.write(b'[["circles", 1, [')
    assert results.read() == {("moons", 1): GOOD}


def test_a_full_file_stays_as_it_is(file: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_results, "MOST_BYTES", 200)
    results = SharedResults(file)
    for version in range(1, 20):
        results.add({("moons", version): GOOD})
    assert 1 <= len(results.read()) < 19
    assert os.fstat(file.fileno()).st_size <= 200


def test_a_check_adds_its_result(file: IO[bytes]) -> None:
    async def check(_: VersionKey) -> PreflightResult:
        return GOOD

    async def checked() -> PreflightResult:
        return await results.adding(check)(("moons", 3))

    results = SharedResults(file)
    assert asyncio.run(checked()) == GOOD
    assert results.read() == {("moons", 3): GOOD}
