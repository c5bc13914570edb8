"""The batcher counts the work of each request, and takes it back however the request ends."""

import asyncio
import time
from concurrent.futures import Executor

import pytest

from diffeo.runtime.errors import EngineFailed
from diffeo.service.admission.work_ahead import WorkAhead
from diffeo.service.batcher import Batcher, BatcherOptions
from diffeo.service.errors import DeadlinePassed, Overloaded
from tests.given.servers.doubling_engine import FAILING, GatedEngine, rows_of, run_with_timeout

SECONDS_PER_ROW = 0.01
OPTIONS = BatcherOptions(1, 4, seconds_per_row=SECONDS_PER_ROW, model="moons")


def gated(executor: Executor, limit: float = 10.0) -> tuple[Batcher, WorkAhead, GatedEngine]:
    engine, work = GatedEngine(), WorkAhead(limit)
    return Batcher(engine, "x", executor, OPTIONS, work), work, engine


@pytest.fixture(scope="module")
def executor() -> "Executor":
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    return ThreadPoolExecutor(2)


def test_work_is_counted_until_it_is_computed(executor: Executor) -> None:
    async def main() -> None:
        batcher, work, engine = gated(executor)
        running = asyncio.create_task(batcher.run(rows_of(1, 9), client="a"))
        await engine.wait_until_entered()
        assert work.seconds == pytest.approx(9 * SECONDS_PER_ROW)
        engine.gate.set()
        await running
        assert work.seconds == 0

    run_with_timeout(main())


@pytest.mark.parametrize("end", ["cancel", "deadline", "failure"])
def test_work_is_taken_back_when_a_request_ends_early(executor: Executor, end: str) -> None:
    async def main() -> None:
        batcher, work, engine = gated(executor)
        number = FAILING if end == "failure" else 1
        deadline = time.monotonic() + 0.02 if end == "deadline" else None
        running = asyncio.create_task(batcher.run(rows_of(number, 400), deadline))
        # A request with so little time is tried, because no work is ahead of it.
        await engine.wait_until_entered()
        if end == "cancel":
            running.cancel()
        if end == "failure":
            engine.gate.set()
        expected = {"cancel": asyncio.CancelledError, "deadline": DeadlinePassed, "failure": EngineFailed}[end]
        with pytest.raises(expected):
            await running
        assert work.seconds == 0
        engine.gate.set()
        await batcher.run(rows_of(1, 4))
        assert work.seconds == 0

    run_with_timeout(main())


def test_a_request_that_would_wait_too_long_is_rejected_and_not_counted(executor: Executor) -> None:
    async def main() -> None:
        batcher, work, engine = gated(executor, limit=0.05)
        first = asyncio.create_task(batcher.run(rows_of(1, 400), client="a"))
        await engine.wait_until_entered()
        before = work.seconds
        with pytest.raises(Overloaded, match="model moons: this request would wait"):
            await batcher.run(rows_of(2, 400), client="a")
        assert work.seconds == before
        # A small request of the same client is accepted beside the large one.
        small = asyncio.create_task(batcher.run(rows_of(3, 4), client="a"))
        engine.gate.set()
        await small
        assert not first.done()
        await first

    run_with_timeout(main())


def test_a_block_of_a_response_that_has_begun_is_never_rejected(executor: Executor) -> None:
    async def main() -> None:
        batcher, _, engine = gated(executor, limit=0.05)
        first = asyncio.create_task(batcher.run(rows_of(1, 400)))
        await engine.wait_until_entered()
        block = asyncio.create_task(batcher.run_admitted(rows_of(2, 400)))
        engine.gate.set()
        await asyncio.gather(first, block)

    run_with_timeout(main())


def test_a_slow_model_is_computed_in_short_calls() -> None:
    options = BatcherOptions(1, 1024, seconds_per_row=1e-4, call_seconds=0.02)
    assert options.call_rows(1e-6) == 1024
    assert options.call_rows(1e-4) == 200
    assert options.call_rows(0.5) == 16
