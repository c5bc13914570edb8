"""Changes bundles at random, sealed and unsealed, and writes how many loaded and how many computed other numbers."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import onnxruntime

from . import loaded_numbers
from .loaded_numbers import Counts

ROOT = Path(__file__).parents[3]
BUNDLES = [ROOT / "tests/data/affine2d/1", ROOT / "models/moons/1", ROOT / "models/circles/1"]


def main() -> int:
    """Run the command; returns 1 if a changed bundle computes other numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sealed", type=int, default=3000)
    parser.add_argument("--unsealed", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--output", type=Path, help="file of the results, JSON; else standard output")
    options = parser.parse_args()
    share = len(BUNDLES)
    results: dict[str, object] = {
        "seed": options.seed,
        "onnxruntime": onnxruntime.__version__,
        "rows": loaded_numbers.ROWS,
    }
    all_right = True
    for kind, count, run in (
        ("sealed", options.sealed, loaded_numbers.resealed),
        ("unsealed", options.unsealed, loaded_numbers.unsealed),
    ):
        parts = [run(path, -(-count // share), options.seed + index) for index, path in enumerate(BUNDLES)]
        results[kind] = _total(parts)
        all_right &= not any(part.wrong for part in parts)
    text = json.dumps(results, indent=1) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0 if all_right else 1


def _total(parts: list[Counts]) -> dict[str, object]:
    total = Counts()
    for part in parts:
        total.tried += part.tried
        total.loaded += part.loaded
        total.wrong += part.wrong
        total.largest = max(total.largest, part.largest)
        for name, count in part.reasons.items():
            total.reasons[name] = total.reasons.get(name, 0) + count
    return dataclasses.asdict(total)


if __name__ == "__main__":
    sys.exit(main())
