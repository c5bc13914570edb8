"""`python -m benchmarks.quality.fit_one`: fits one model to one table, and writes its losses of the held-out rows.

A model has a process of its own, so that its memory and its threads end with it.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import torch

from benchmarks.quality.models import MODELS, Fitted, Rows
from benchmarks.quality.tables import load
from benchmarks.quality.work import Work
from diffeo.training.split import split_rows

TRUTH_TEST_ROWS: Final = 50_000
SPEED_ROWS: Final = 50_000
SPEED_ROUNDS: Final = 3


def main() -> None:
    """Fit, and write OUT.npz with the log densities of the test rows, and OUT.json beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("table")
    parser.add_argument("seed", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table = load(options.table, options.data)
    split = split_rows(table.rows, options.seed)
    mean, scale = split.moments()
    work = Work(split, (split.train - mean) / scale, (split.validation - mean) / scale, options.seconds, options.seed)
    started = time.monotonic()
    fitted = MODELS[options.model](work)
    seconds = time.monotonic() - started
    test = split.test
    truth = None
    if table.truth is not None:
        test = table.truth.draw(TRUTH_TEST_ROWS, np.random.default_rng(1_000 + options.seed))
        truth = table.truth.log_prob(test)
    standard = (test - mean) / scale
    log_prob = fitted.log_prob(test) if fitted.in_user_units else fitted.log_prob(standard)
    # Losses of standardised columns; of a truth, in its own units.
    factor = float(np.log(scale).sum())
    log_prob = np.asarray(log_prob, np.float64) + (factor if fitted.in_user_units else 0.0)
    if truth is not None:
        truth = truth + factor
    name = options.out.name
    arrays = {"log_prob": log_prob} if truth is None else {"log_prob": log_prob, "truth": truth}
    np.savez(options.out.with_name(f"{name}.npz"), allow_pickle=False, **arrays)
    rates = _rates(fitted, test if fitted.in_user_units else standard)
    about = {"about": fitted.about, "seconds": seconds, "scored": rates[0], "sampled": rates[1]}
    options.out.with_name(f"{name}.json").write_text(json.dumps(about), encoding="utf-8")


def _rates(fitted: Fitted, rows: Rows) -> tuple[float, float]:
    """Rows scored and sampled in a second, the medians of a few rounds."""
    many = np.resize(rows, (SPEED_ROWS, rows.shape[1]))
    scored = SPEED_ROWS / _seconds(lambda: fitted.log_prob(many))
    return scored, SPEED_ROWS / _seconds(lambda: fitted.sample(SPEED_ROWS))


def _seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(SPEED_ROUNDS):
        started = time.monotonic()
        work()
        times.append(time.monotonic() - started)
    return median(times)


if __name__ == "__main__":
    main()
