"""Measures what one body at the limit costs the process that decodes or encodes it.

Run `python -m benchmarks.reliability.body_costs`.

Each case runs in a process of its own, as the service runs it: small work on the event loop, the rest in a thread. It
measures the peak of memory beyond the start, as a multiple of the allowed size, and the longest time in which the
event loop did nothing else.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.paths import ROOT
from benchmarks.reliability.bodies import ANSWERS, BODIES, SIGNATURE, Body
from benchmarks.reliability.figure import Figure, read_options, write
from diffeo.service import offload
from diffeo.service.answer import Answer, InvalidRow
from diffeo.service.codecs import CODECS
from diffeo.service.codecs.parsing.inflate import inflate
from diffeo.service.codecs.v2 import request as v2_request
from diffeo.service.codecs.v2 import response as v2_response
from diffeo.service.codecs.v2.request import RequestedOutput
from diffeo.service.errors import RequestError
from diffeo.service.process.server import tune_interpreter
from diffeo.service.requests import Limits

ALLOWED_MULTIPLE: Final = 8
ALLOWED_HOLD_MS: Final = 50
TRIES: Final = 4
TICK_SECONDS: Final = 0.001
FULL_BYTES: Final = 64 * 2**20
QUICK_BYTES: Final = 4 * 2**20
CODEC: Final = {codec.name: codec for codec in CODECS}
COLUMNS: Final = ("x0", "x1")


class Cost(NamedTuple):
    """The cost of one case.

    Attributes:
        multiple: peak of memory beyond the start and beyond the body, in multiples of the allowed size.
        hold_ms: the longest time in which the event loop could not run.
        seconds: the time of the whole case.
        outcome: the error, or the shape of the rows.
    """

    multiple: float
    hold_ms: float
    seconds: float
    outcome: str


def main() -> None:
    """Measure every case and write the figures."""
    if sys.argv[1:2] == ["--case"]:
        sys.stdout.write(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
        return
    options = read_options(__doc__)
    size = QUICK_BYTES if options.quick else FULL_BYTES
    costs = {name: least_cost(name, size) for name in (*BODIES, *ANSWERS)}
    write("body_costs", "python -m benchmarks.reliability.body_costs", figures(costs), seed=None, quick=options.quick)


def figures(costs: Mapping[str, Cost]) -> list[Figure]:
    """Both promises for each case."""
    found: list[Figure] = []
    for name, cost in costs.items():
        found.extend(
            (
                Figure.at_most(f"{name}: peak of memory / allowed size", cost.multiple, ALLOWED_MULTIPLE, n=1),
                Figure.at_most(f"{name}: longest hold of the event loop", cost.hold_ms, ALLOWED_HOLD_MS, "ms", n=1),
            )
        )
    return found


def least_cost(name: str, size: int) -> Cost:
    """The cost of one case. A hold above the promise is measured again: a busy machine makes a hold longer only."""
    costs = [measure_in_child(name, size)]
    while costs[-1].hold_ms > ALLOWED_HOLD_MS and len(costs) < TRIES:
        costs.append(measure_in_child(name, size))
    return min(costs, key=lambda cost: cost.hold_ms)


def measure_in_child(name: str, size: int) -> Cost:
    """The cost of one case, in a new process."""
    command = [sys.executable, "-m", "benchmarks.reliability.body_costs", "--case", name, str(size)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    cost = Cost(*json.loads(child.stdout))
    line = f"{name:40} {cost.multiple:5.2f} x  {cost.hold_ms:6.1f} ms  {cost.seconds:5.2f} s  {cost.outcome}\n"
    sys.stderr.write(line)
    return cost


def measure(name: str, size: int) -> Cost:
    """The cost of one case, in this process."""
    if name in BODIES:
        body = BODIES[name](size)
        # The first use of a library takes time and memory too.
        decode(body._replace(content=body.small, encoding=None), size)
        tune_interpreter()
        return _measured(lambda: decode(body, size), size, _is_inline(body))
    work = _encoding(ANSWERS[name], size)
    tune_interpreter()
    return _measured(work, size, inline=False)


def _measured(work: Callable[[], str], size: int, inline: bool) -> Cost:  # noqa: FBT001
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status("VmRSS")
    began = time.perf_counter()
    outcome, hold = asyncio.run(_watched(work, inline=inline))
    seconds = time.perf_counter() - began
    return Cost((_status("VmHWM") - before) / size, hold * 1000, seconds, outcome)


async def _watched(work: Callable[[], str], *, inline: bool) -> tuple[str, float]:
    gaps: list[float] = []
    done = asyncio.Event()

    async def tick() -> None:
        last = time.perf_counter()
        while not done.is_set():
            await asyncio.sleep(TICK_SECONDS)
            now = time.perf_counter()
            gaps.append(now - last - TICK_SECONDS)
            last = now

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0.05)
    outcome = work() if inline else await offload.in_thread(work)
    await asyncio.sleep(0.01)
    done.set()
    await ticker
    return outcome, max(gaps)


def _is_inline(body: Body) -> bool:
    if body.encoding is not None:
        return False
    if body.codec == "v2":
        return len(body.content) <= offload.DECODE_BYTES
    codec = CODEC[body.codec]
    return codec.unpacked_bytes(body.content) <= codec.inline_bytes


def decode(body: Body, size: int) -> str:
    """The shape of the rows in a body, or the error, where `size` bytes are allowed."""
    limits = Limits(1_000_000, 1_000_000, max_body_bytes=size)
    try:
        content = body.content if body.encoding is None else inflate(body.content, body.encoding, size)
        if body.codec == "v2":
            return str(v2_request.decode(content, body.json_length, SIGNATURE, limits).inputs["x"].shape)
        rows = CODEC[body.codec].decode(content, {}, limits).rows
    except RequestError as error:
        return f"{type(error).__name__}: {error}"[:60]
    return "no rows" if rows is None else str(rows.shape)


def _encoding(name: str, size: int) -> Callable[[], str]:
    # About `size` bytes of text.
    rows = size // 40
    table = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
    invalid: tuple[InvalidRow, ...] = ()
    if name.endswith("invalid"):
        table[::2] = np.nan
        invalid = tuple(InvalidRow(row, "non_finite_output") for row in range(0, rows, 2))
    answer = Answer("m", 1, COLUMNS, {"z": table, "log_abs_det_jacobian": table[:, 0].copy()}, {}, invalid)
    if name.startswith("v2"):
        outputs = [RequestedOutput(each, name.startswith("v2 binary")) for each in answer.tensors]
        return lambda: f"{len(v2_response.encode({}, outputs, answer.tensors).content)} bytes"
    return lambda: f"{len(CODEC[name.split(',', maxsplit=1)[0]].encode(answer))} bytes"


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


if __name__ == "__main__":
    main()
