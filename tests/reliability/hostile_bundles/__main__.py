"""Loads hostile bundles, and bundles changed at random: `python -m tests.reliability.hostile_bundles`.

The changed ones have a new seal or the old one. No hostile graph may load, and no changed bundle that loads may compute
other numbers than the original.
"""

import sys
from collections.abc import Iterable
from typing import Final

from tqdm import tqdm

from benchmarks.paths import ROOT
from benchmarks.reliability.figure import Figure, read_options, write
from diffeo.bundle import graph
from diffeo.bundle.errors import BundleError, GraphRefused

from . import broken_structure, loaded_numbers, row_mixing, wrong_numbers
from .edited_graph import Case
from .loaded_numbers import Counts
from .sealing import check, edited, files_of, sealed

BUNDLES: Final = [ROOT / "tests/data/affine2d/1", ROOT / "models/moons/1", ROOT / "models/circles/1"]
SEALED, UNSEALED = 3000, 10_000
QUICK_SEALED, QUICK_UNSEALED = 60, 150


def main() -> None:
    """Run, write the figures and each wrong bundle."""
    options = read_options(__doc__)
    counts = (QUICK_SEALED, QUICK_UNSEALED) if options.quick else (SEALED, UNSEALED)
    static = [*row_mixing.cases(), *broken_structure.cases()]
    wrong_graphs = list(wrong_numbers.cases())
    loaded = sum(not _is_refused(each) for each in tqdm(static, "hostile graphs"))
    loaded += sum(not _is_refused_at_load(each) for each in tqdm(wrong_graphs, "graphs of another density"))
    share = len(BUNDLES)
    parts = [
        [run(path, -(-count // share), options.seed + index) for index, path in enumerate(BUNDLES)]
        for run, count in zip((loaded_numbers.resealed, loaded_numbers.unsealed), counts, strict=True)
    ]
    resealed, unsealed = (_total(each) for each in parts)
    sys.stderr.writelines(f"wrong: {each}\n" for each in (*resealed.wrong, *unsealed.wrong))
    command = "python -m tests.reliability.hostile_bundles"
    figures = figures_of(len(static) + len(wrong_graphs), loaded, resealed, unsealed)
    write("hostile_bundles", command, figures, seed=options.seed, quick=options.quick)


def figures_of(hostile: int, loaded: int, resealed: Counts, unsealed: Counts) -> list[Figure]:
    """The figures of one run."""
    figures = [Figure.at_most("hostile graphs with a valid seal that load", loaded, 0, n=hostile)]
    for name, counts in (("sealed again", resealed), ("with the old seal", unsealed)):
        figures += [
            Figure.at_most(f"changed bundles, {name}, of other numbers", len(counts.wrong), 0, n=counts.tried),
            Figure.observed(f"changed bundles, {name}, that load", counts.loaded, n=counts.tried),
        ]
    return [*figures, Figure.observed("largest relative error of one that loads", resealed.largest, n=resealed.loaded)]


def _is_refused(case: Case) -> bool:
    content = edited(files_of(BUNDLES[0])["forward.onnx"], case.edit)
    try:
        graph.inspect("forward.onnx", content, 2, "float32")
    except GraphRefused:
        return True
    return False


def _is_refused_at_load(case: Case) -> bool:
    files = files_of(BUNDLES[1])
    try:
        check(sealed({**files, "forward.onnx": edited(files["forward.onnx"], case.edit)}))
    except BundleError:
        return True
    return False


def _total(parts: Iterable[Counts]) -> Counts:
    total = Counts()
    for part in parts:
        total.tried += part.tried
        total.loaded += part.loaded
        total.wrong += part.wrong
        total.largest = max(total.largest, part.largest)
    return total


if __name__ == "__main__":
    main()
