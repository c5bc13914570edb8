"""Measures a fit with one thread, with two, and with the number that it chooses: writes benchmarks/results/threads.md.

`python -m benchmarks.threads` takes the same steps of the default recipe on a small and on a wide table, on an idle
machine, beside one busy process, and beside two. The figure is the pace of the chosen number beside the best fixed one.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.machine import machine
from benchmarks.markdown import table
from benchmarks.paths import RESULTS
from diffeo.tables.reading.read import read_table
from diffeo.training import recipe, run, source
from diffeo.training.fitting.trainer import TrainerOptions, print_nothing, train
from diffeo.training.preparation.prepare import prepare
from diffeo.training.recipe import Recipe

# Rows, columns and steps; a step of the wide table takes several times as long.
SIZES: Final = {"1,000 rows, 4 columns": (1_000, 4, 800), "50,000 rows, 20 columns": (50_000, 20, 300)}
BUSY: Final = (0, 1, 2)
THREADS: Final = (1, 2, None)
ROUNDS: Final = 3
HEAD: Final = ("table", "busy processes beside it", "1 thread", "2 threads", "chosen", "chosen / best")


def main() -> None:
    """Measure and write the page."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    cases = [(name, busy) for name in SIZES for busy in BUSY]
    rows: list[tuple[str, ...]] = []
    for name, busy in tqdm(cases, desc="threads"):
        rows.append(_row(name, busy))
        # After each row, because the whole takes a quarter of an hour.
        (RESULTS / "threads.md").write_text(_page(rows), encoding="utf-8")


def _page(rows: Sequence[tuple[str, ...]]) -> str:
    steps = " and ".join(str(steps) for _, _, steps in SIZES.values())
    return f"""# Threads of a fit

`python -m benchmarks.threads` on {machine()}: steps per second of the first flow of the default recipe, {steps} steps,
the median of {ROUNDS} interleaved rounds. The time that the choice takes counts as time of the fit.

{table(HEAD, rows)}
"""


def _row(name: str, busy: int) -> tuple[str, ...]:
    paces: dict[int | None, list[float]] = {threads: [] for threads in THREADS}
    with busy_processes(busy):
        for _ in range(ROUNDS):
            for threads in THREADS:
                paces[threads].append(pace(*SIZES[name], threads))
    one, two, chosen = (median(paces[threads]) for threads in THREADS)
    return (name, str(busy), f"{one:.0f}", f"{two:.0f}", f"{chosen:.0f}", f"{chosen / max(one, two):.2f}")


def pace(rows: int, columns: int, steps: int, threads: int | None) -> float:
    """Pace of a fit of normal rows with this number of threads, in steps per second; None lets the fit choose."""
    drawn = np.random.default_rng(0).normal(size=(rows, columns))
    chosen = recipe.with_fit_options(recipe.for_files([recipe.IN_MEMORY], "threads"), budget=None, steps=steps, seed=0)
    chosen = _patient(chosen)
    dataset = source.load(chosen, read_table(drawn))
    prepared = prepare(chosen, dataset)
    fit_rows = run.fit_rows(chosen, dataset, prepared.dtype, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        options = TrainerOptions(
            "threads", Path(folder), "digest", threads=threads, note=print_nothing, shows_progress=False
        )
        started = time.perf_counter()
        state = train(prepared.flow, fit_rows, chosen.fit, options)
        return state.step / (time.perf_counter() - started)


def _patient(chosen: Recipe) -> Recipe:
    # A fit to normal rows would end early.
    return chosen.model_copy(update={"fit": chosen.fit.model_copy(update={"patience_steps": 0})})


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Processes that each keep one core busy."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def _spin() -> None:
    while True:
        sum(range(100_000))


if __name__ == "__main__":
    main()
