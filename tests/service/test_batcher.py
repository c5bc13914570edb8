"""The batcher changes no result, delays no cheap request, and computes no row of a request that has ended."""

import asyncio
import math
import threading
import time
from concurrent.futures import Executor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.errors import EngineFailed
from diffeo.service import offload
from diffeo.service.batcher import Batcher, BatcherOptions
from diffeo.service.observability.timing import RequestTiming
from tests.given.servers.doubling_engine import (
    CHEAP,
    TIMEOUT_SECONDS,
    DoublingEngine,
    GatedEngine,
    rows_of,
    run_with_timeout,
)


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    chunk=st.integers(1, 16),
    parallel=st.integers(1, 4),
)
def test_concurrent_requests_of_any_size_get_the_results_of_the_engine_alone(
    executor: Executor, sizes: list[int], chunk: int, parallel: int
) -> None:
    random = np.random.default_rng(3)
    requests = [random.standard_normal((size, 2)).astype(np.float32) for size in sizes]

    async def main() -> list[Tensors]:
        batcher = Batcher(DoublingEngine(), "x", executor, BatcherOptions(parallel, chunk))
        return await asyncio.gather(*map(batcher.run, requests))

    for rows, answer in zip(requests, run_with_timeout(main()), strict=True):
        alone = DoublingEngine().run({"x": rows})
        assert {name: tensor.tobytes() for name, tensor in answer.items()} == {
            name: tensor.tobytes() for name, tensor in alone.items()
        }


def test_rows_queued_while_the_engine_computes_are_its_next_call(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 100))
        first = asyncio.create_task(batcher.run(rows_of(1)))
        await engine.wait_until_entered()
        rest = [asyncio.create_task(batcher.run(rows_of(number, 2))) for number in (2, 3, 4)]
        engine.gate.set()
        await asyncio.gather(first, *rest)

    run_with_timeout(main())
    assert engine.calls == [[1], [2, 2, 3, 3, 4, 4]]


def test_no_engine_call_has_more_rows_than_a_chunk(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 4))
        engine.gate.set()
        await asyncio.gather(*(batcher.run(rows_of(number, size)) for number, size in ((1, 9), (2, 3), (3, 6))))

    run_with_timeout(main())
    assert max(map(len, engine.calls)) == 4
    assert sum(map(len, engine.calls)) == 18


def test_a_large_request_does_not_block_a_small_one(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 4))
        large = asyncio.create_task(batcher.run(rows_of(1, 400)))
        await engine.wait_until_entered()
        small = asyncio.create_task(batcher.run(rows_of(2)))
        engine.gate.set()
        await small
        assert not large.done()
        await large

    run_with_timeout(main())
    assert next(index for index, call in enumerate(engine.calls) if 2 in call) <= 2


def test_a_single_request_starts_no_timer(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_timer(*_: object) -> None:
        raise AssertionError("a timer was started")

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_at", no_timer)
    monkeypatch.setattr(asyncio.BaseEventLoop, "call_later", no_timer)
    answer = asyncio.run(Batcher(DoublingEngine(), "x", executor, BatcherOptions(1, 1000)).run(rows_of(1)))
    assert answer["z"].tolist() == [[2, 2]]


def test_as_many_engine_calls_run_in_parallel_as_the_options_allow(executor: Executor) -> None:
    barrier = threading.Barrier(3)

    class MeetingEngine(DoublingEngine):
        def run(self, tensors: Tensors) -> Tensors:
            barrier.wait(TIMEOUT_SECONDS)
            return super().run(tensors)

    # Three calls of one chunk each; the barrier opens only when all three are in the engine.
    answer = asyncio.run(Batcher(MeetingEngine(), "x", executor, BatcherOptions(3, 2)).run(rows_of(1, 6)))
    assert answer["z"].shape == (6, 2)


def test_queued_rows_of_a_cancelled_request_are_not_computed(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 4))
        first = asyncio.create_task(batcher.run(rows_of(1)))
        await engine.wait_until_entered()
        cancelled = asyncio.create_task(batcher.run(rows_of(2, 3)))
        kept = asyncio.create_task(batcher.run(rows_of(3)))
        await asyncio.sleep(0)  # one turn of the event loop, in which both enter the queue
        cancelled.cancel()
        engine.gate.set()
        assert (await kept)["z"].tolist() == [[6, 6]]
        await first
        assert cancelled.cancelled()

    run_with_timeout(main())
    assert engine.calls == [[1], [3]]


def test_later_chunks_of_a_cancelled_request_are_not_computed(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 4))
        cancelled = asyncio.create_task(batcher.run(rows_of(1, 400)))
        await engine.wait_until_entered()
        cancelled.cancel()
        kept = asyncio.create_task(batcher.run(rows_of(2)))
        engine.gate.set()
        await kept

    run_with_timeout(main())
    assert engine.calls == [[1, 1, 1, 1], [2]]


def test_a_failure_reaches_only_the_request_that_caused_it(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> list[Tensors | BaseException]:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 4))
        first = asyncio.create_task(batcher.run(rows_of(1)))
        await engine.wait_until_entered()
        rest = [asyncio.create_task(batcher.run(rows_of(number, size))) for number, size in ((2, 2), (13, 2), (3, 1))]
        engine.gate.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    first, beside, failed, after = run_with_timeout(main())
    assert engine.calls == [[1], [2, 2, 13, 13], [2, 2], [13, 13], [3]]
    assert isinstance(failed, EngineFailed)
    assert [first_z(result) for result in (first, beside, after)] == [2, 4, 6]


def test_a_failure_on_the_event_loop_reaches_only_the_request_that_caused_it(
    executor: Executor, engine: GatedEngine
) -> None:
    async def main() -> list[Tensors | BaseException]:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 8, seconds_per_row=CHEAP))
        engine.gate.set()
        return await asyncio.gather(*(batcher.run(rows_of(number)) for number in (2, 13, 3)), return_exceptions=True)

    beside, failed, after = run_with_timeout(main())
    assert engine.calls == [[2, 13, 3], [2], [13], [3]]
    assert isinstance(failed, EngineFailed)
    assert [first_z(result) for result in (beside, after)] == [4, 6]


def first_z(result: Tensors | BaseException) -> float:
    assert not isinstance(result, BaseException)
    return float(result["z"][0, 0])


def test_later_chunks_of_a_failed_request_are_not_computed(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 4))
        engine.gate.set()
        with pytest.raises(EngineFailed):
            await batcher.run(rows_of(13, 400))
        await batcher.run(rows_of(1))

    run_with_timeout(main())
    assert engine.calls == [[13] * 4, [1]]


def test_an_error_of_any_class_reaches_the_caller_and_frees_the_engine(executor: Executor) -> None:
    class BrokenEngine(DoublingEngine):
        def run(self, tensors: Tensors) -> Tensors:
            if tensors["x"][0, 0] == 13:
                raise ZeroDivisionError
            return super().run(tensors)

    async def main() -> Tensors:
        batcher = Batcher(BrokenEngine(), "x", executor, BatcherOptions(1, 4))
        with pytest.raises(ZeroDivisionError):
            await batcher.run(rows_of(13))
        return await batcher.run(rows_of(1))

    assert run_with_timeout(main())["z"].tolist() == [[2, 2]]


def test_cheap_requests_of_one_turn_of_the_event_loop_are_one_call_on_the_event_loop(executor: Executor) -> None:
    threads: list[threading.Thread] = []

    class ThreadRecordingEngine(GatedEngine):
        def run(self, tensors: Tensors) -> Tensors:
            threads.append(threading.current_thread())
            return super().run(tensors)

    async def main() -> list[list[float]]:
        engine = ThreadRecordingEngine()
        engine.gate.set()
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 100, seconds_per_row=CHEAP))
        await asyncio.gather(*(batcher.run(rows_of(number, 2)) for number in (1, 2, 3)))
        return engine.calls

    assert run_with_timeout(main()) == [[1, 1, 2, 2, 3, 3]]
    assert threads == [threading.main_thread()]


def test_cheap_requests_that_arrive_before_the_flush_join_its_call(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 100, seconds_per_row=CHEAP))
        await asyncio.gather(*(run_after_turns(turn, batcher) for turn in range(4)))

    engine.gate.set()
    run_with_timeout(main())
    assert engine.calls == [[0, 1, 2, 3]]


def test_a_steady_arrival_of_cheap_requests_does_not_postpone_the_flush_for_ever(
    executor: Executor, engine: GatedEngine
) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 100, seconds_per_row=offload.COMPUTE_SECONDS / 3))
        await asyncio.gather(*(run_after_turns(turn, batcher) for turn in range(12)))

    engine.gate.set()
    run_with_timeout(main())
    assert len(engine.calls[0]) <= 4


async def run_after_turns(turn: int, batcher: Batcher) -> None:
    """Compute one row after `turn` turns of the event loop."""
    for _ in range(turn):
        await asyncio.sleep(0)
    await batcher.run(rows_of(turn))


def test_a_cheap_request_does_not_wait_for_a_busy_engine(executor: Executor) -> None:
    class SlowOnLargeEngine(GatedEngine):
        def run(self, tensors: Tensors) -> Tensors:
            return super().run(tensors) if len(tensors["x"]) > 1 else DoublingEngine.run(self, tensors)

    async def main() -> None:
        engine = SlowOnLargeEngine()
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 2000, seconds_per_row=CHEAP))
        large = asyncio.create_task(batcher.run(rows_of(1, 10_000)))
        await engine.wait_until_entered()
        assert (await batcher.run(rows_of(2)))["z"].tolist() == [[4, 4]]
        assert not large.done()
        engine.gate.set()
        await large

    run_with_timeout(main())


def test_a_large_request_progresses_beside_any_number_of_cheap_ones(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 1000, seconds_per_row=CHEAP))
        large = asyncio.create_task(batcher.run(rows_of(1, 9000)))
        await engine.wait_until_entered()
        cheap = [asyncio.create_task(batcher.run(rows_of(2, 900))) for _ in range(4)]
        await asyncio.sleep(0)  # one turn of the event loop, in which all enter the queue
        engine.gate.set()
        await asyncio.gather(large, *cheap)

    run_with_timeout(main())
    assert 1 in engine.calls[1]
    assert 2 in engine.calls[1]


class TimedEngine(DoublingEngine):
    """Records when each call began and ended."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, float]] = []

    def run(self, tensors: Tensors) -> Tensors:
        began = time.perf_counter()
        answer = super().run(tensors)
        self.calls.append((began, time.perf_counter()))
        return answer


@pytest.mark.parametrize("seconds_per_row", [CHEAP, 1.0])
def test_the_timestamps_of_a_request_enclose_all_its_engine_calls(executor: Executor, seconds_per_row: float) -> None:
    engine, timing = TimedEngine(), RequestTiming()

    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 4, seconds_per_row=seconds_per_row))
        for _ in range(2):
            await batcher.run(rows_of(1, 9), timing=timing)

    run_with_timeout(main())
    began, ended = zip(*engine.calls, strict=True)
    assert len(began) == 6
    assert timing.arrived <= timing.queued <= timing.compute_started <= began[0]
    assert timing.compute_ended >= ended[-1]
    timing.freeze()
    assert timing.queue_seconds == timing.compute_started - timing.queued
    assert timing.compute_seconds == timing.compute_ended - timing.compute_started


@pytest.mark.parametrize(("seconds_per_row", "most"), [(math.inf, 100), (0.001, 20)])
def test_a_probe_computes_in_calls_of_a_chunk_and_joins_their_results(
    executor: Executor, engine: GatedEngine, seconds_per_row: float, most: int
) -> None:
    options = BatcherOptions(1, 100, seconds_per_row=seconds_per_row, call_seconds=0.02)
    rows = np.random.default_rng(5).standard_normal((250, 2)).astype(np.float32)
    engine.gate.set()
    answer = run_with_timeout(Batcher(engine, "x", executor, options).probe(rows))
    assert max(map(len, engine.calls)) == most
    for name, expected in DoublingEngine().run({"x": rows}).items():
        np.testing.assert_array_equal(answer[name], expected)
