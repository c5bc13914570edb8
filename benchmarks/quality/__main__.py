"""`python -m benchmarks.quality --data FOLDER`: diffeo beside other density models, on the same rows by the same clock.

Each model has the clock (90 s by default) on this machine. The models of other libraries use one core each, so two of
them run at a time; two torch threads are no faster for flows of this size. `diffeo fit` runs alone and uses every core.
The outcomes lie in runs/quality; a run that was interrupted continues there, and `--fresh` begins again. The flows of
other libraries are found in runs/quality/peers (`make bench-quality` installs them).
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Never

from tqdm import tqdm

from benchmarks.paths import RESULTS
from benchmarks.quality import page, plots
from benchmarks.quality.models import MODELS
from benchmarks.quality.outcome import FOLDER, Case, Outcome, measure
from benchmarks.quality.tables import CHANGES, CURVE, REAL
from benchmarks.quality.truths import TRUTHS
from benchmarks.tables.real import LOADERS

FLOWS: Final = tuple(name for name in MODELS if "NSF" in name or "MAF" in name)
SIMPLE: Final = ("scikit-learn mixture", "scikit-learn KDE")
SECONDS: Final = 90.0
BUDGETS: Final = (20.0, 45.0, 90.0, 300.0, 600.0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what is not fitted yet, then write the page and the plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the real tables")
    parser.add_argument("--seeds", type=int, default=3, help="splits of each table (3)")
    parser.add_argument("--parts", default="real,small,truths,long,curve,budget,invariance", help="some of these")
    parser.add_argument("--models", default="", help="only models whose name matches this regular expression")
    parser.add_argument("--fresh", action="store_true", help="forget the outcomes of earlier runs")
    options = parser.parse_args(arguments)
    if options.fresh:
        for file in (*FOLDER.glob("*.npz"), *FOLDER.glob("*.json")):
            file.unlink()
    wanted = [
        case
        for part in options.parts.split(",")
        for case in PARTS[part](options.seeds)
        if re.search(options.models, case.model)
    ]
    _fit_all([case for case in dict.fromkeys(wanted) if Outcome.saved(case) is None], options.data)
    outcomes = [outcome for case in every_case(options.seeds) if (outcome := Outcome.saved(case)) is not None]
    (RESULTS / "quality.md").write_text(page.page(outcomes), encoding="utf-8")
    plots.draw(outcomes, RESULTS)


def real(seeds: int) -> Iterator[Case]:
    """Every model on every real table, by the clock of 90 s."""
    for seed in range(seeds):
        yield from (Case(table, model, seed, SECONDS) for table in REAL for model in MODELS)


def small(seeds: int) -> Iterator[Case]:
    """diffeo and scikit-learn on small tables."""
    for seed in range(seeds):
        yield from (Case(table, model, seed, SECONDS) for table in LOADERS for model in ("diffeo", *SIMPLE))


def truths(_seeds: int) -> Iterator[Case]:
    """Every model on rows of known densities."""
    yield from (Case(table, model, 0, SECONDS) for table in TRUTHS for model in MODELS if "its recipe" not in model)


def long(_seeds: int) -> Iterator[Case]:
    """The flows on every real table, by a clock of 5 minutes."""
    yield from (Case(table, model, 0, 300.0) for table in REAL for model in MODELS if "its recipe" not in model)


def curve(_seeds: int) -> Iterator[Case]:
    """diffeo and scikit-learn on parts of protein."""
    for rows in CURVE:
        yield from (Case(f"protein {rows}", model, 0, SECONDS) for model in ("diffeo", *SIMPLE))


def budget(_seeds: int) -> Iterator[Case]:
    """diffeo by several clocks."""
    for seconds in BUDGETS:
        yield from (Case(table, "diffeo", 0, seconds) for table in REAL)


def invariance(_seeds: int) -> Iterator[Case]:
    """diffeo on a table whose columns are permuted, rescaled and shifted."""
    yield from (Case(f"magic.gamma {change}", "diffeo", 0, SECONDS) for change in CHANGES)


PARTS: Final = {
    "real": real,
    "small": small,
    "truths": truths,
    "long": long,
    "curve": curve,
    "budget": budget,
    "invariance": invariance,
}


def every_case(seeds: int) -> list[Case]:
    """Every case of every part, once."""
    return [*dict.fromkeys(case for part in PARTS.values() for case in part(seeds))]


def _fit_all(cases: Sequence[Case], data: Path | None) -> None:
    cores = os.sched_getaffinity(0)
    with tqdm(total=len(cases), desc="quality") as bar:
        alone = [case for case in cases if case.model == "diffeo"]
        _fit_beside([case for case in cases if case not in alone], data, [{core} for core in cores], bar)
        _fit_beside(alone, data, [cores], bar)


def _fit_beside(cases: Sequence[Case], data: Path | None, places: Sequence[set[int]], bar: "tqdm[Never]") -> None:
    free: SimpleQueue[set[int]] = SimpleQueue()
    for place in places:
        free.put(place)

    def fit(case: Case) -> str:
        place = free.get()
        try:
            return measure(case, data, place)
        finally:
            free.put(place)

    with ThreadPoolExecutor(len(places)) as pool:
        work = {pool.submit(fit, case): case for case in cases}
        for done in as_completed(work):
            bar.update()
            if said := done.result():
                bar.write(f"{work[done]}: {said}", file=sys.stderr)


if __name__ == "__main__":
    main()
