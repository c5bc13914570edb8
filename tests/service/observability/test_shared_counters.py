"""Counters of several processes add up, and keep their values when a process ends."""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from diffeo.service.observability import slot_file
from diffeo.service.observability.shared_counters import FIRST_COUNTER, GAUGE, LATEST, SharedCounters
from diffeo.service.observability.slot_file import MAXIMUM_SEGMENTS, SEGMENT_SLOTS, SlotFile, slots


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
    assert [path.stat().st_size > 0 for path in sorted(tmp_path.iterdir())] == [True, True, False]
    sums = second.sums()
    assert (sums["a",][FIRST_COUNTER], sums["a",][GAUGE], sums["b",][FIRST_COUNTER]) == (2, 0, 1)


def test_a_full_file_grows(new_counters: Callable[[], SharedCounters]) -> None:
    first, second = new_counters(), new_counters()
    for number in range(5 * SEGMENT_SLOTS):
        first.slot("a", str(number))[FIRST_COUNTER] += number
    sums = second.sums()
    assert {key: cells[FIRST_COUNTER] for key, cells in sums.items()} == {
        ("a", str(number)): number for number in range(5 * SEGMENT_SLOTS)
    }


def test_a_file_of_the_largest_size_takes_no_more_slots_and_raises_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAXIMUM_SEGMENTS * SEGMENT_SLOTS > 100_000
    monkeypatch.setattr(slot_file, "MAXIMUM_SEGMENTS", 2)
    counters = SharedCounters()
    for number in range(2 * SEGMENT_SLOTS + 3):
        counters.slot("a", str(number))[FIRST_COUNTER] += 1
    # One slot has the generation of the file.
    assert len(counters.sums()) == 2 * SEGMENT_SLOTS - 1


def test_the_next_process_takes_over_all_segments_of_a_file(new_counters: Callable[[], SharedCounters]) -> None:
    first = new_counters()
    for number in range(3 * SEGMENT_SLOTS):
        first.slot("a", str(number))[FIRST_COUNTER] += 1
    first.close()
    second = new_counters()
    for number in range(4 * SEGMENT_SLOTS):
        second.slot("a", str(number))[FIRST_COUNTER] += 1
    assert sum(cells[FIRST_COUNTER] for cells in second.sums().values()) == 7 * SEGMENT_SLOTS


def test_moved_counts_are_added_and_their_slot_is_used_again(new_counters: Callable[[], SharedCounters]) -> None:
    first, second = new_counters(), new_counters()
    first.slot("total")[FIRST_COUNTER] += 1
    for number in range(20 * SEGMENT_SLOTS):
        values = first.slot("a", str(number))
        assert not any(values)
        values[FIRST_COUNTER], values[LATEST] = 2, number
        first.move(("a", str(number)), ("total",))
    sums = second.sums()
    assert (list(sums), sums["total",][FIRST_COUNTER]) == ([("total",)], 1 + 2 * 20 * SEGMENT_SLOTS)
    assert sums["total",][LATEST] == 20 * SEGMENT_SLOTS - 1
    assert len(first.keys()) == 1


def test_a_reader_waits_while_counts_move(new_counters: Callable[[], SharedCounters], tmp_path: Path) -> None:
    reader = new_counters()
    with (tmp_path / "2").open("r+b") as file, ThreadPoolExecutor(1) as thread:
        fcntl.flock(file, fcntl.LOCK_EX)
        writer = SlotFile(file.fileno())
        for key in (("old",), ("new",)):
            writer.add(key)
        writer.values(writer.numbers["old",])[FIRST_COUNTER] = 7
        reads: list[Future[float]] = []

        def add(values: "memoryview[float]") -> None:
            writer.values(writer.numbers["new",])[FIRST_COUNTER] += values[FIRST_COUNTER]
            # Both slots have the counts now.
            reads.append(thread.submit(lambda: sum(cells[FIRST_COUNTER] for cells in reader.sums().values())))
            time.sleep(0.005)

        writer.move(("old",), add)
        assert reads[0].result() == 7


def test_a_process_without_a_file_counts_for_itself_and_warns_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counters = SharedCounters([tmp_path / "absent", tmp_path / "folder" / "absent"])
    for number in range(1000):
        counters.slot("a", str(number))[FIRST_COUNTER] += 1
    assert len(counters.sums()) == 1000
    assert len(caplog.records) == 1


def test_files_that_vanish_end_no_sum(new_counters: Callable[[], SharedCounters], tmp_path: Path) -> None:
    first, second = new_counters(), new_counters()
    first.slot("a")[FIRST_COUNTER] += 1
    second.slot("a")[FIRST_COUNTER] += 1
    shutil.rmtree(tmp_path)
    first.slot("b")[FIRST_COUNTER] += 1
    # The counts of this process are still there.
    assert {key: cells[FIRST_COUNTER] for key, cells in first.sums().items()} == {("a",): 1, ("b",): 1}


def test_a_key_that_a_killed_process_wrote_in_part_changes_no_other_key() -> None:
    file = SlotFile(-1)
    file._memory(file._free[-1])[1:30] = b"Z" * 29  # noqa: SLF001  (a process that was killed between two writes)
    assert file.add(("client", "al"))
    assert [key for _, key, _ in slots(file.content())] == [("client", "al")]


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
