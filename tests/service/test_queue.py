"""What waits is bounded, in rows and in time, and says so at once."""

import asyncio
import time
from concurrent.futures import Executor

import pytest

from diffeo.runtime.engines.engine import Tensors
from diffeo.service.batcher import Batcher
from diffeo.service.errors import DeadlinePassed, Overloaded
from tests.given.servers.counted_engines import SECONDS, Doubling, Gated, marked, within_seconds


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(executor: Executor, engine: Gated) -> None:
    async def main() -> float:
        batcher = Batcher(engine, "x", executor, 2, 500, queue_rows=2000, pace=0.5)
        first = [asyncio.create_task(batcher.run(marked(mark, 500))) for mark in (1, 2)]
        await engine.busy()
        waits = asyncio.create_task(batcher.run(marked(3, 1500)))
        await asyncio.sleep(0)  # one turn of the loop, in which it enters the queue
        with pytest.raises(Overloaded, match="1500 rows wait") as refusal:
            await batcher.run(marked(4, 501))
        fits = asyncio.create_task(batcher.run(marked(5, 500)))
        engine.gate.set()
        await asyncio.gather(*first, waits, fits)
        return refusal.value.seconds

    assert within_seconds(main()) == pytest.approx(1500 * 0.5 / 2)
    assert 4 not in {mark for call in engine.calls for mark in call}


def test_what_left_the_queue_leaves_room_in_it(executor: Executor, engine: Gated) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 4, queue_rows=10)
        first = asyncio.create_task(batcher.run(marked(1, 4)))
        await engine.busy()
        gone = asyncio.create_task(batcher.run(marked(2, 10)))
        await asyncio.sleep(0)  # one turn of the loop, in which it enters the queue
        gone.cancel()
        await asyncio.sleep(0)
        assert batcher.waiting == 0
        stays = asyncio.create_task(batcher.run(marked(3, 10)))
        engine.gate.set()
        await asyncio.gather(first, stays)

    within_seconds(main())


def test_a_request_larger_than_the_queue_is_served_when_nothing_else_waits(executor: Executor) -> None:
    answer = within_seconds(Batcher(Doubling(), "x", executor, 1, 4, queue_rows=10).run(marked(1, 100)))
    assert len(answer["z"]) == 100


def test_a_deadline_is_kept_while_the_engine_is_busy_not_when_the_queue_comes_to_it(
    executor: Executor, engine: Gated
) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, 1, 4)
        first = asyncio.create_task(batcher.run(marked(1)))
        await engine.busy()
        with pytest.raises(DeadlinePassed):
            await batcher.run(marked(2), deadline=time.monotonic() + 0.01)
        assert not first.done()
        engine.gate.set()
        await first

    within_seconds(main())
    assert engine.calls == [[1]]


def test_a_deadline_that_is_kept_changes_nothing(executor: Executor) -> None:
    async def main() -> Tensors:
        deadline = time.monotonic() + SECONDS
        return await Batcher(Doubling(), "x", executor, 1, 4).run(marked(1), deadline)

    assert within_seconds(main())["z"].tolist() == [[2, 2]]
