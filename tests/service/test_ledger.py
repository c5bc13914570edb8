"""Numbers of several processes add up, and stay when a process ends."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diffeo.service.observability.shared_counters import LEVEL, PAGES, SharedCounters

COUNT = LEVEL + 1


@pytest.fixture
def join(tmp_path: Path) -> Iterator[Callable[[], SharedCounters]]:
    """One more process with a book in the folder: locks are of files opened, so this one can stand for several."""
    ledgers: list[SharedCounters] = []

    def join() -> SharedCounters:
        ledgers.append(SharedCounters(tmp_path))
        return ledgers[-1]

    yield join
    for ledger in ledgers:
        ledger.close()


def test_every_process_sees_the_sum_of_all(join: Callable[[], SharedCounters]) -> None:
    first, second = join(), join()
    first.page("a", "x")[COUNT] += 2
    second.page("a", "x")[COUNT] += 3
    second.page("a", "")[LEVEL] += 5
    for ledger in (first, second):
        sums = ledger.sums()
        assert set(sums) == {("a", "x"), ("a", "")}
        assert (sums["a", "x"][COUNT], sums["a", ""][LEVEL]) == (5, 5)


def test_a_process_alone_needs_no_folder() -> None:
    ledger = SharedCounters()
    ledger.page("a")[COUNT] += 1
    ledger.page("a")[COUNT] += 1
    assert ledger.sums()["a",][COUNT] == 2


def test_the_counts_of_a_process_that_ended_stay_and_its_levels_do_not(join: Callable[[], SharedCounters]) -> None:
    first, second = join(), join()
    for ledger in (first, second):
        page = ledger.page("a")
        page[COUNT] += 1
        page[LEVEL] += 1
    first.close()
    sums = second.sums()["a",]
    assert (sums[COUNT], sums[LEVEL]) == (2, 1)


def test_the_next_process_continues_the_file_of_one_that_ended(
    join: Callable[[], SharedCounters], tmp_path: Path
) -> None:
    first, second = join(), join()
    first.page("a")[COUNT] += 1
    first.page("a")[LEVEL] += 7
    first.close()
    third = join()
    third.page("b")[COUNT] += 1
    third.page("a")[COUNT] += 1
    assert len(list(tmp_path.iterdir())) == 2
    sums = second.sums()
    assert (sums["a",][COUNT], sums["a",][LEVEL], sums["b",][COUNT]) == (2, 0, 1)


def test_a_full_book_counts_nothing_more_and_fails_nobody() -> None:
    ledger = SharedCounters()
    for number in range(PAGES + 3):
        ledger.page("a", str(number))[COUNT] += 1
    assert len(ledger.sums()) == PAGES


def test_a_key_of_any_length_is_a_page_or_none() -> None:
    ledger = SharedCounters()
    for length in (255, 256, 257, 5000):
        ledger.page("k" * length)[COUNT] += 1
    assert {key: cells[COUNT] for key, cells in ledger.sums().items()} == {("k" * 255,): 1, ("k" * 256,): 1}


def test_memory_that_cannot_be_had_is_not_counted_in(
    join: Callable[[], SharedCounters], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    ledger = join()
    ledger.page("a")[COUNT] += 1
    monkeypatch.setattr(os, "posix_fallocate", full)
    ledger.page("b")[COUNT] += 1
    ledger.page("a")[COUNT] += 1
    assert {key: cells[COUNT] for key, cells in ledger.sums().items()} == {("a",): 2}
