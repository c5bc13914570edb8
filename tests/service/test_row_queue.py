"""The queue is bounded in rows and in time. A rejected request gets its error at once."""

import asyncio
import time
from concurrent.futures import Executor

import pytest

from diffeo.runtime.engines.engine import Tensors
from diffeo.service.batcher import Batcher, BatcherOptions
from diffeo.service.errors import DeadlinePassed, Overloaded
from tests.given.servers.doubling_engine import TIMEOUT_SECONDS, DoublingEngine, GatedEngine, rows_of, run_with_timeout


def test_a_full_queue_rejects_at_once_and_names_model_limit_setting_and_waiting_time(
    executor: Executor, engine: GatedEngine
) -> None:
    async def main() -> float:
        batcher = Batcher(
            engine, "x", executor, BatcherOptions(2, 500, queue_rows=2000, seconds_per_row=0.5, model="moons")
        )
        first = [asyncio.create_task(batcher.run(rows_of(number, 500))) for number in (1, 2)]
        await engine.wait_until_entered()
        queued = asyncio.create_task(batcher.run(rows_of(3, 1500)))
        await asyncio.sleep(0)  # one turn of the event loop, in which it enters the queue
        with pytest.raises(Overloaded, match="1,500 rows are queued") as rejection:
            await batcher.run(rows_of(4, 501))
        fits = asyncio.create_task(batcher.run(rows_of(5, 500)))
        engine.gate.set()
        await asyncio.gather(*first, queued, fits)
        assert str(rejection.value) == (
            "model moons: 1,500 rows are queued, this request has 501, and the queue holds at most 2,000 "
            "(DIFFEO_MAX_QUEUE_ROWS); try again in 375 s"
        )
        return rejection.value.seconds

    assert run_with_timeout(main()) == pytest.approx(1500 * 0.5 / 2)
    assert 4 not in {number for call in engine.calls for number in call}


def test_rows_of_a_cancelled_request_no_longer_count_in_the_queue(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 4, queue_rows=10))
        first = asyncio.create_task(batcher.run(rows_of(1, 4)))
        await engine.wait_until_entered()
        cancelled = asyncio.create_task(batcher.run(rows_of(2, 10)))
        await asyncio.sleep(0)  # one turn of the event loop, in which it enters the queue
        cancelled.cancel()
        await asyncio.sleep(0)
        assert batcher.queued_rows == 0
        kept = asyncio.create_task(batcher.run(rows_of(3, 10)))
        engine.gate.set()
        await asyncio.gather(first, kept)

    run_with_timeout(main())


def test_a_request_larger_than_the_queue_is_served_when_the_queue_is_empty(executor: Executor) -> None:
    answer = run_with_timeout(
        Batcher(DoublingEngine(), "x", executor, BatcherOptions(1, 4, queue_rows=10)).run(rows_of(1, 100))
    )
    assert len(answer["z"]) == 100


def test_a_deadline_ends_a_request_while_the_engine_is_still_busy(executor: Executor, engine: GatedEngine) -> None:
    async def main() -> None:
        batcher = Batcher(engine, "x", executor, BatcherOptions(1, 4, timeout_seconds=60, model="moons"))
        first = asyncio.create_task(batcher.run(rows_of(1)))
        await engine.wait_until_entered()
        with pytest.raises(DeadlinePassed, match=r"model moons: .* limit is 60 s \(DIFFEO_TIMEOUT_SECONDS\)"):
            await batcher.run(rows_of(2), deadline=time.monotonic() + 0.01)
        assert not first.done()
        engine.gate.set()
        await first

    run_with_timeout(main())
    assert engine.calls == [[1]]


def test_a_request_that_is_computed_before_its_deadline_gets_its_result(executor: Executor) -> None:
    async def main() -> Tensors:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        return await Batcher(DoublingEngine(), "x", executor, BatcherOptions(1, 4)).run(rows_of(1), deadline)

    assert run_with_timeout(main())["z"].tolist() == [[2, 2]]
