"""Serves 1,000 good models: whether all are served, their memory, the start, the scans, the metrics and a new model."""

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.reliability.figure import Figure, read_options, write
from benchmarks.reliability.served import MODELS, Served
from tests.given.servers.server_process import free_port

NAME = "many_models"
COUNT, QUICK_COUNT = 1000, 20
SOURCE = MODELS / "moons" / "1"
# The files of a model whose content the service holds in memory.
HELD = ("forward.onnx", "inverse.onnx")
IDLE_SECONDS = 10.0
START_SECONDS = 3600.0
MB = 2**20


async def measure(count: int, folder: Path) -> list[Figure]:
    """The figures of this number of models in an empty repository folder."""
    publish(folder, "first")
    alone = await resident_bytes_alone(folder)
    for number in range(1, count):
        publish(folder, f"model{number:04d}")
    began = time.monotonic()
    served = await Served.start(free_port(), 1, folder, START_SECONDS)
    seconds = time.monotonic() - began
    try:
        states = await states_of_versions(served)
        beyond = (served.resident_bytes() - alone) / max(1, count - 1) - sum(
            (SOURCE / name).stat().st_size for name in HELD
        )
        idle = await idle_share(served)
        scrape_began = time.monotonic()
        metrics = await page(served, "/metrics")
        scrape = time.monotonic() - scrape_began
        fresh_began = time.monotonic()
        publish(folder, "fresh")
        while (await served.get("/models/fresh")) is None:  # noqa: ASYNC110  (the server scans the folder)
            await asyncio.sleep(0.02)
        fresh = time.monotonic() - fresh_began
    finally:
        await served.stop()
    named = sum(f'model="model{number:04d}"' in metrics.text for number in range(1, count))
    return [
        Figure.at_least("models served", states.count("ready"), count, n=count),
        Figure.at_most("models refused", states.count("refused"), 0, n=count),
        Figure.at_most("memory of a model beyond its graphs", beyond / MB, 5.0, "MB", n=count - 1),
        Figure.at_least("models in /metrics", named, count - 1, n=count - 1),
        Figure.observed("start of the service", seconds, "s", n=1),
        Figure.observed("start for each model", 1000 * seconds / count, "ms", n=count),
        Figure.observed("one scrape of /metrics", scrape, "s", n=1),
        Figure.at_most("processor time while idle, of one core", 100 * idle, 5.0, "%", n=1),
        Figure.observed("from publishing one more model until it is served", fresh, "s", n=1),
    ]


def publish(folder: Path, name: str) -> None:
    """Put a copy of moons there at once, as a publisher does."""
    hidden = folder / f".{name}"
    shutil.copytree(SOURCE, hidden / "1")
    hidden.rename(folder / name)


async def resident_bytes_alone(folder: Path) -> int:
    """The memory of a service with one model."""
    served = await Served.start(free_port(), 1, folder)
    await states_of_versions(served)
    found = served.resident_bytes()
    await served.stop()
    return found


async def states_of_versions(served: Served) -> list[str]:
    """The state of each version."""
    models = (await page(served, "/models")).json()["models"]
    return [version["state"] for model in models for version in model["versions"]]


async def page(served: Served, path: str) -> httpx.Response:
    """A page that must be there."""
    response = await served.get(path)
    if response is None:
        raise RuntimeError(f"{path} has no good answer")
    return response


async def idle_share(served: Served) -> float:
    """The part of one core that the service takes without requests."""
    before = processor_seconds(served)
    await asyncio.sleep(IDLE_SECONDS)
    return (processor_seconds(served) - before) / IDLE_SECONDS


def processor_seconds(served: Served) -> float:
    """The processor time of the processes that serve."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in served.workers]
    return sum(int(user) + int(system) for user, system in fields) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run and write the figures."""
    options = read_options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(QUICK_COUNT if options.quick else COUNT, Path(folder)))
    write(NAME, f"python -m benchmarks.reliability.{NAME}", figures, seed=None, quick=options.quick)


if __name__ == "__main__":
    main()
