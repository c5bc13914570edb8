"""Publishes 500 versions of one model under load, and withdraws each when the next one is served.

Odd versions are copies of moons and even ones of circles, so an answer shows which version computed it.
"""

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

import httpx
from tqdm import tqdm

from benchmarks.reliability.figure import Figure, read_options, write
from benchmarks.reliability.served import MODELS, Served, fixed_port
from tests.given.servers.paced_clients import PacedClients, post

REQUEST = post("/log_prob", b'{"x":[[0.3,-0.4]]}')
SWAPS, QUICK_SWAPS = 500, 5
# Until here the memory of the process grows to its usual size.
WARM_UP_SHARE = 0.2


async def measure(swaps: int, folder: Path) -> list[Figure]:
    """The figures of this number of swaps in an empty repository folder."""
    publish(folder, 1)
    served = await Served.start(fixed_port(), 1, folder)
    expected: dict[int, object] = {}
    clients = PacedClients(served.port, REQUEST, lambda body: is_right(expected, body), count=4)
    running = asyncio.create_task(clients.run())
    memory = []
    for version in tqdm(range(1, swaps + 1), "swaps"):
        await until_served(served, version)
        if version > 1:
            shutil.rmtree(folder / "model" / str(version - 1))
        publish(folder, version + 1)
        memory.append(served.resident_bytes() / 2**20)
    lines = metric_lines(await served.get("/metrics"))
    clients.running = False
    await running
    await served.stop()
    warm, n = round(swaps * WARM_UP_SHARE), clients.ends.total()
    return [
        Figure.at_most("requests that failed", sum(clients.unanswered.values()) - clients.ends["wrong"], 0, n=n),
        Figure.at_most("answers of another version than the answer names", clients.ends["wrong"], 0, n=n),
        Figure.at_most("growth of memory after the first fifth", memory[-1] - memory[warm], 20.0, "MB", n=swaps),
        Figure.at_most("lines of /metrics", lines, 20_000, n=swaps),
    ]


def publish(folder: Path, version: int) -> None:
    """Put a copy of moons or circles there at once, as a publisher does."""
    target = folder / "model" / str(version)
    target.parent.mkdir(parents=True, exist_ok=True)
    hidden = target.parent / f".{version}"
    shutil.copytree(MODELS / ("moons" if version % 2 else "circles") / "1", hidden)
    hidden.rename(target)


def is_right(expected: dict[int, object], body: bytes) -> bool:
    """True if the answer has the density of the version that it names."""
    answer = json.loads(body)
    return bool(expected.setdefault(answer["version"] % 2, answer["log_prob"]) == answer["log_prob"])


async def until_served(served: Served, version: int) -> None:
    """Wait until this version answers the requests that name none."""
    async with asyncio.timeout(120):
        while newest(await served.get("/models/model")) != version:  # noqa: ASYNC110  (the server scans the folder)
            await asyncio.sleep(0.05)


def newest(response: httpx.Response | None) -> int:
    """The newest served version in the description of a model."""
    versions = [] if response is None else response.json()["versions"]
    return max((each["version"] for each in versions if each["state"] == "ready"), default=0)


def metric_lines(response: httpx.Response | None) -> float:
    """The number of lines of a scrape."""
    return float("nan") if response is None else float(response.text.count("\n"))


def main() -> None:
    """Measure and write the figures."""
    options = read_options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(QUICK_SWAPS if options.quick else SWAPS, Path(folder)))
    write("swaps", "python -m benchmarks.reliability.lifecycle.swaps", figures, seed=None, quick=options.quick)


if __name__ == "__main__":
    main()
