"""Measures a fit with one thread, with two, and with the number that it chooses: writes benchmarks/results/threads.md.

`python -m benchmarks.threads` takes steps of the default recipe for the same time on a small and on a wide table, on an
idle machine, beside one busy process, and beside two. The figure is the pace of the chosen number beside the best fixed
one.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
from diffeo.training.fitting.evaluation import Evaluation
from diffeo.training.fitting.plan import Plan
from diffeo.training.fitting.trainer import TrainerOptions, print_nothing, train
from diffeo.training.preparation.prepare import prepare
from diffeo.training.recipe import Recipe

# Rows and columns.
SIZES: Final = {"1,000 rows, 4 columns": (1_000, 4), "50,000 rows, 20 columns": (50_000, 20)}
# Of a fit; a number of steps would take two threads beside busy processes many minutes.
SECONDS: Final = 12.0
MOST_STEPS: Final = 100_000
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
        # After each row, because the whole takes ten minutes.
        (RESULTS / "threads.md").write_text(_page(rows), encoding="utf-8")


def _page(rows: Sequence[tuple[str, ...]]) -> str:
    return f"""# Threads of a fit

`python -m benchmarks.threads` on {machine()}: steps per second of the first flow of the default recipe
in {SECONDS:g} s, the median of {ROUNDS} interleaved rounds. The time that the choice takes counts as time of the fit.

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


def pace(rows: int, columns: int, threads: int | None) -> float:
    """Pace of a fit of normal rows with this number of threads, in steps per second; None lets the fit choose."""
    drawn = np.random.default_rng(0).normal(size=(rows, columns))
    default = recipe.for_files([recipe.IN_MEMORY], "threads")
    chosen = _patient(recipe.with_fit_options(default, budget=None, steps=MOST_STEPS, seed=0))
    dataset = source.load(chosen, read_table(drawn))
    prepared = prepare(chosen, dataset)
    fit_rows = run.fit_rows(chosen, dataset, prepared.dtype, torch.device("cpu"))
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder, suppress(_Over):
        options = TrainerOptions(
            "threads", Path(folder), "digest", threads=threads, note=print_nothing, progress=clock.progress
        )
        train(prepared.flow, fit_rows, chosen.fit, options)
    return clock.steps / (time.perf_counter() - clock.started)


class _Over(Exception):
    """The time of the fit is over."""


class _Clock:
    """Takes the place of a progress bar, and ends the fit after SECONDS."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.steps = 0

    @contextmanager
    def progress(self, _name: str, _plan: Plan, _done: int) -> Iterator["_Clock"]:
        yield self

    def on_step(self, step: int, _loss: float) -> None:
        self.steps = step
        if time.perf_counter() - self.started >= SECONDS:
            raise _Over

    def on_evaluation(self, _record: Evaluation, _plan: Plan) -> None:
        """Nothing is shown."""


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
