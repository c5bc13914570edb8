"""Work above its limit runs in a thread, and no other module of the service decides that."""

import asyncio
import re
import threading
from concurrent.futures import Executor
from pathlib import Path

import pytest

from diffeo.service import offload

SERVICE = Path(offload.__file__).parent
# They wait for the disk, for the loader or for the Prometheus encoder, whatever the size of a request.
ALWAYS_IN_A_THREAD = {"routes/files.py", "routes/metrics.py", "repository/watch.py"}


def test_a_call_runs_in_a_thread_of_the_executor_and_returns_its_result(executor: Executor) -> None:
    def call(number: int) -> tuple[int, bool]:
        return number, threading.current_thread() is threading.main_thread()

    async def main() -> list[tuple[int, bool]]:
        return [await offload.in_thread(call, 1), await offload.in_thread(call, 2, executor=executor)]

    assert asyncio.run(main()) == [(1, False), (2, False)]


def test_an_error_of_the_call_reaches_the_caller(executor: Executor) -> None:
    async def main() -> None:
        await offload.in_thread(int, "no number", executor=executor)

    with pytest.raises(ValueError, match="no number"):
        asyncio.run(main())


def test_no_other_module_decides_whether_work_runs_in_a_thread() -> None:
    deciding = {
        str(file.relative_to(SERVICE))
        for file in SERVICE.rglob("*.py")
        if re.search(r"to_thread|run_in_executor|INLINE_", file.read_text(encoding="utf-8"))
    }
    assert deciding - ALWAYS_IN_A_THREAD == {"offload.py"}
