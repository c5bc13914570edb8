"""The batcher moves rows and changes none: same answers, no work for those who left."""

import asyncio
import threading
import time
from concurrent.futures import Executor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.errors import EngineFailed
from diffeo.service.batcher import INLINE_SECONDS, Batcher
from diffeo.service.observability.timing import RequestTiming
from tests.given.servers.counted_engines import CHEAP, SECONDS, Doubling, Gated, marked, within_seconds


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    chunk=st.integers(1, 16),
    parallel=st.integers(1, 4),
)
def test_concurrent_requests_of_any_size_get_the_answers_of_the_engine_alone(
    executor: Executor, sizes: list[int], chunk: int, parallel: int
) -> None:
    chance = np.random.default_rng(3)
    requests = [chance.standard_normal((size, 2)).astype(np.float32) for size in sizes]

    async def main() -> list[Tensors]:
        batcher = Batcher(Doubling(), "x", executor, parallel, chunk)
        return await asyncio.gather(*map(batcher.run, requests))

    for rows, answer in zip(requests, within_seconds(main()), strict=True):
        alone = Doubling().run({"x": rows})
        assert {name: tensor.tobytes() for name, tensor in answer.items()} == {
            name: tensor.tobytes() for name, tensor in alone.items()
        }


def test_what_waits_while_the_engine_computes_is_its_next_call(executor: Executor, engine: Gated) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 100)
        first = asyncio.create_task(batcher.run(marked(1)))
        await engine.busy()
        rest = [asyncio.create_task(batcher.run(marked(mark, 2))) for mark in (2, 3, 4)]
        engine.gate.set()
        await asyncio.gather(first, *rest)

    within_seconds(main())
    assert engine.calls == [[1], [2, 2, 3, 3, 4, 4]]


def test_no_call_has_more_rows_than_a_chunk(executor: Executor, engine: Gated) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 4)
        engine.gate.set()
        await asyncio.gather(*(batcher.run(marked(mark, size)) for mark, size in ((1, 9), (2, 3), (3, 6))))

    within_seconds(main())
    assert max(map(len, engine.calls)) == 4
    assert sum(map(len, engine.calls)) == 18


def test_a_big_request_does_not_hold_up_a_small_one(executor: Executor, engine: Gated) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 4)
        big = asyncio.create_task(batcher.run(marked(1, 400)))
        await engine.busy()
        small = asyncio.create_task(batcher.run(marked(2)))
        engine.gate.set()
        await small
        assert not big.done()
        await big

    within_seconds(main())
    assert next(index for index, call in enumerate(engine.calls) if 2 in call) <= 2


def test_a_lone_request_is_computed_without_a_timer(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_timer(*_: object) -> None:
        raise AssertionError("something waits for time to pass")

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_at", no_timer)
    monkeypatch.setattr(asyncio.BaseEventLoop, "call_later", no_timer)
    answer = asyncio.run(Batcher(Doubling(), "x", executor, 1, 1000).run(marked(1)))
    assert answer["z"].tolist() == [[2, 2]]


def test_as_many_calls_run_side_by_side_as_are_allowed(executor: Executor) -> None:
    meeting = threading.Barrier(3)

    class Meeting(Doubling):
        def run(self, tensors: Tensors) -> Tensors:
            meeting.wait(SECONDS)
            return super().run(tensors)

    # Three calls of one chunk each; the barrier opens only when all three are in the engine.
    answer = asyncio.run(Batcher(Meeting(), "x", executor, 3, 2).run(marked(1, 6)))
    assert answer["z"].shape == (6, 2)


def test_rows_of_a_caller_who_left_are_not_computed(executor: Executor, engine: Gated) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 4)
        first = asyncio.create_task(batcher.run(marked(1)))
        await engine.busy()
        gone = asyncio.create_task(batcher.run(marked(2, 3)))
        stays = asyncio.create_task(batcher.run(marked(3)))
        await asyncio.sleep(0)  # one turn of the loop, in which both enter the queue
        gone.cancel()
        engine.gate.set()
        assert (await stays)["z"].tolist() == [[6, 6]]
        await first
        assert gone.cancelled()

    within_seconds(main())
    assert engine.calls == [[1], [3]]


def test_the_rest_of_a_big_request_is_not_computed_once_its_caller_left(executor: Executor, engine: Gated) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 4)
        gone = asyncio.create_task(batcher.run(marked(1, 400)))
        await engine.busy()
        gone.cancel()
        stays = asyncio.create_task(batcher.run(marked(2)))
        engine.gate.set()
        await stays

    within_seconds(main())
    assert engine.calls == [[1, 1, 1, 1], [2]]


def test_a_failure_reaches_only_the_request_that_caused_it(executor: Executor, engine: Gated) -> None:
    async def main() -> list[Tensors | BaseException]:
        batcher = Batcher(engine, "x", executor, 1, 4)
        first = asyncio.create_task(batcher.run(marked(1)))
        await engine.busy()
        rest = [asyncio.create_task(batcher.run(marked(mark, size))) for mark, size in ((2, 2), (13, 2), (3, 1))]
        engine.gate.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    first, beside, failed, after = within_seconds(main())
    assert engine.calls == [[1], [2, 2, 13, 13], [2, 2], [13, 13], [3]]
    assert isinstance(failed, EngineFailed)
    assert [answer["z"][0, 0] for answer in (first, beside, after)] == [2, 4, 6]


def test_a_failure_on_the_loop_reaches_only_the_request_that_caused_it(executor: Executor, engine: Gated) -> None:
    async def main() -> list[Tensors | BaseException]:
        batcher = Batcher(engine, "x", executor, 1, 8, pace=CHEAP)
        engine.gate.set()
        return await asyncio.gather(*(batcher.run(marked(mark)) for mark in (2, 13, 3)), return_exceptions=True)

    beside, failed, after = within_seconds(main())
    assert engine.calls == [[2, 13, 3], [2], [13], [3]]
    assert isinstance(failed, EngineFailed)
    assert [answer["z"][0, 0] for answer in (beside, after)] == [4, 6]


def test_a_request_that_failed_in_one_chunk_is_not_computed_further(executor: Executor, engine: Gated) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 4)
        engine.gate.set()
        with pytest.raises(EngineFailed):
            await batcher.run(marked(13, 400))
        await batcher.run(marked(1))

    within_seconds(main())
    assert engine.calls == [[13] * 4, [1]]


def test_an_error_of_any_class_reaches_the_caller_and_frees_the_engine(executor: Executor) -> None:
    class Broken(Doubling):
        def run(self, tensors: Tensors) -> Tensors:
            if tensors["x"][0, 0] == 13:
                raise ZeroDivisionError
            return super().run(tensors)

    async def main() -> Tensors:
        batcher = Batcher(Broken(), "x", executor, 1, 4)
        with pytest.raises(ZeroDivisionError):
            await batcher.run(marked(13))
        return await batcher.run(marked(1))

    assert within_seconds(main())["z"].tolist() == [[2, 2]]


def test_cheap_requests_of_one_turn_of_the_loop_are_one_call_on_the_loop(executor: Executor) -> None:
    threads: list[threading.Thread] = []

    class Noting(Gated):
        def run(self, tensors: Tensors) -> Tensors:
            threads.append(threading.current_thread())
            return super().run(tensors)

    async def main() -> list[list[float]]:
        noting = Noting()
        noting.gate.set()
        batcher = Batcher(noting, "x", executor, 1, 100, pace=CHEAP)
        await asyncio.gather(*(batcher.run(marked(mark, 2)) for mark in (1, 2, 3)))
        return noting.calls

    assert within_seconds(main()) == [[1, 1, 2, 2, 3, 3]]
    assert threads == [threading.main_thread()]


def test_cheap_requests_that_come_while_others_are_met_are_in_their_call(executor: Executor, engine: Gated) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 100, pace=CHEAP)
        await asyncio.gather(*(in_turn(turn, batcher) for turn in range(4)))

    engine.gate.set()
    within_seconds(main())
    assert engine.calls == [[0, 1, 2, 3]]


def test_requests_that_never_stop_coming_are_computed_when_they_are_no_longer_cheap(
    executor: Executor, engine: Gated
) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 100, pace=INLINE_SECONDS / 3)
        await asyncio.gather(*(in_turn(turn, batcher) for turn in range(12)))

    engine.gate.set()
    within_seconds(main())
    assert len(engine.calls[0]) <= 4


async def in_turn(turn: int, batcher: Batcher) -> None:
    """Ask for one row, so many turns of the loop from now."""
    for _ in range(turn):
        await asyncio.sleep(0)
    await batcher.run(marked(turn))


def test_a_cheap_request_does_not_wait_for_a_busy_engine(executor: Executor) -> None:
    class SlowOnBulk(Gated):
        def run(self, tensors: Tensors) -> Tensors:
            return super().run(tensors) if len(tensors["x"]) > 1 else Doubling.run(self, tensors)

    async def main() -> None:
        engine = SlowOnBulk()
        batcher = Batcher(engine, "x", executor, 1, 2000, pace=CHEAP)
        bulk = asyncio.create_task(batcher.run(marked(1, 10_000)))
        await engine.busy()
        assert (await batcher.run(marked(2)))["z"].tolist() == [[4, 4]]
        assert not bulk.done()
        engine.gate.set()
        await bulk

    within_seconds(main())


def test_bulk_goes_on_beside_any_number_of_cheap_requests(executor: Executor, engine: Gated) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 1000, pace=CHEAP)
        bulk = asyncio.create_task(batcher.run(marked(1, 9000)))
        await engine.busy()
        cheap = [asyncio.create_task(batcher.run(marked(2, 900))) for _ in range(4)]
        await asyncio.sleep(0)  # one turn of the loop, in which all enter the queue
        engine.gate.set()
        await asyncio.gather(bulk, *cheap)

    within_seconds(main())
    assert 1 in engine.calls[1]
    assert 2 in engine.calls[1]


class Timed(Doubling):
    """Notes when each call began and ended."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, float]] = []

    def run(self, tensors: Tensors) -> Tensors:
        began = time.perf_counter()
        answer = super().run(tensors)
        self.calls.append((began, time.perf_counter()))
        return answer


@pytest.mark.parametrize("pace", [CHEAP, 1.0])
def test_a_visit_is_stamped_around_the_first_and_the_last_of_all_its_rows(executor: Executor, pace: float) -> None:
    engine, timing = Timed(), RequestTiming()

    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 4, pace=pace)
        for _ in range(2):
            await batcher.run(marked(1, 9), timing=timing)

    within_seconds(main())
    began, ended = zip(*engine.calls, strict=True)
    assert len(began) == 6
    assert timing.began <= timing.admitted <= timing.taken <= began[0]
    assert timing.computed >= ended[-1]
    timing.leave()
    assert (timing.queue, timing.compute) == (timing.taken - timing.admitted, timing.computed - timing.taken)
