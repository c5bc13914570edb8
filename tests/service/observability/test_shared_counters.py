"""Counters of several processes add up, and keep their values when a process ends."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from diffeo.service.observability.shared_counters import FIRST_COUNTER, GAUGE, LATEST, SLOTS, SharedCounters


def test_every_process_reads_the_sum_over_all_processes(new_counters: Callable[[], SharedCounters]) -> None:
    first, second = new_counters(), new_counters()
    first.slot("a", "x")[FIRST_COUNTER] += 2
    second.slot("a", "x")[FIRST_COUNTER] += 3
    second.slot("a", "")[GAUGE] += 5
    for counters in (first, second):
        sums = counters.sums()
        assert set(sums) == {("a", "x"), ("a", "")}
        assert (sums["a", "x"][FIRST_COUNTER], sums["a", ""][GAUGE]) == (5, 5)


def test_the_sum_has_the_latest_time_of_all_processes(new_counters: Callable[[], SharedCounters]) -> None:
    first, second = new_counters(), new_counters()
    first.slot("a")[LATEST] = 20
    second.slot("a")[LATEST] = 10
    assert first.sums()["a",][LATEST] == second.sums()["a",][LATEST] == 20


def test_a_single_process_needs_no_folder() -> None:
    counters = SharedCounters()
    counters.slot("a")[FIRST_COUNTER] += 1
    counters.slot("a")[FIRST_COUNTER] += 1
    assert counters.sums()["a",][FIRST_COUNTER] == 2


def test_the_counters_of_an_ended_process_stay_and_its_gauges_are_dropped(
    new_counters: Callable[[], SharedCounters],
) -> None:
    first, second = new_counters(), new_counters()
    for counters in (first, second):
        values = counters.slot("a")
        values[FIRST_COUNTER] += 1
        values[GAUGE] += 1
    first.close()
    sums = second.sums()["a",]
    assert (sums[FIRST_COUNTER], sums[GAUGE]) == (2, 1)


def test_the_next_process_takes_over_the_file_of_an_ended_process(
    new_counters: Callable[[], SharedCounters], tmp_path: Path
) -> None:
    first, second = new_counters(), new_counters()
    first.slot("a")[FIRST_COUNTER] += 1
    first.slot("a")[GAUGE] += 7
    first.close()
    third = new_counters()
    third.slot("b")[FIRST_COUNTER] += 1
    third.slot("a")[FIRST_COUNTER] += 1
    assert len(list(tmp_path.iterdir())) == 2
    sums = second.sums()
    assert (sums["a",][FIRST_COUNTER], sums["a",][GAUGE], sums["b",][FIRST_COUNTER]) == (2, 0, 1)


def test_a_full_file_takes_no_more_slots_and_raises_no_error() -> None:
    counters = SharedCounters()
    for number in range(SLOTS + 3):
        counters.slot("a", str(number))[FIRST_COUNTER] += 1
    assert len(counters.sums()) == SLOTS


def test_a_key_that_is_too_long_gets_private_values() -> None:
    counters = SharedCounters()
    for length in (255, 256, 257, 5000):
        counters.slot("k" * length)[FIRST_COUNTER] += 1
    assert {key: cells[FIRST_COUNTER] for key, cells in counters.sums().items()} == {("k" * 255,): 1, ("k" * 256,): 1}


def test_a_slot_that_cannot_be_allocated_gets_private_values(
    new_counters: Callable[[], SharedCounters], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    counters = new_counters()
    counters.slot("a")[FIRST_COUNTER] += 1
    monkeypatch.setattr(os, "posix_fallocate", full)
    counters.slot("b")[FIRST_COUNTER] += 1
    counters.slot("a")[FIRST_COUNTER] += 1
    assert {key: cells[FIRST_COUNTER] for key, cells in counters.sums().items()} == {("a",): 2}
