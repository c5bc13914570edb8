"""Fuzzes every decoder and writes the figures: `python -m tests.reliability.fuzz --small 1000000 --large 10000`.

The inputs of all runs count: benchmarks/results/fuzz.json holds them by decoder, with the seed of the next batch. So an
interrupted run goes on where it stopped, also on another day. Delete the file when a decoder has changed.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from tqdm import tqdm

from benchmarks.paths import RESULTS
from benchmarks.reliability.figure import Figure, write

from .decoders import DECODERS
from .run import LARGE_BATCH, SMALL_BATCH, Result, added, run_batch, run_in_child

TOTALS: Final = RESULTS / "fuzz.json"


def main() -> None:
    """Run the decoders one after the other."""
    parser = argparse.ArgumentParser("python -m tests.reliability.fuzz", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 small and 4 large inputs a decoder")
    parser.add_argument("--small", type=int, default=1_000_000, help="small inputs a decoder (default: 1,000,000)")
    parser.add_argument("--large", type=int, default=10_000, help="large inputs a decoder (default: 10,000)")
    parser.add_argument("--seed", type=int, default=14, help="seed of every random choice (default: 14)")
    parser.add_argument("--only", default=",".join(DECODERS), help="comma-separated decoders")
    parser.add_argument("--batch", nargs=4, metavar=("DECODER", "SMALL", "LARGE", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.batch:
        name, *numbers = given.batch
        sys.stdout.write(json.dumps(run_batch(name, *map(int, numbers))))
        return
    small, large = (2000, 4) if given.quick else (given.small, given.large)
    totals = {} if given.quick else read_totals()
    for name in given.only.split(","):
        for result in fuzz(name, small, large, totals.get(name, Result(next_seed=given.seed))):
            totals[name] = result
            if not given.quick:
                # Another run may have saved other decoders meanwhile.
                totals = {**read_totals(), name: result}
                save_totals(totals)
    command = f"python -m tests.reliability.fuzz --small {small} --large {large}"
    write("fuzz", command, figures(totals), seed=given.seed, quick=given.quick)
    sys.exit(any(result.failures for result in totals.values()))


def fuzz(name: str, small: int, large: int, before: Result) -> Iterator[Result]:
    """Decode with one decoder, in batches of a process each, until so many inputs were decoded in all runs.

    Yields:
        The result of all runs after each batch.
    """
    batches = [(min(SMALL_BATCH, small - at), 0) for at in range(before.small, small, SMALL_BATCH)]
    batches += [(0, min(LARGE_BATCH, large - at)) for at in range(before.large, large, LARGE_BATCH)]
    result = before
    for batch in tqdm(batches, name):
        result = added(result, run_in_child(name, *batch, result.next_seed))._replace(next_seed=result.next_seed + 1)
        yield result
    for failure in result.failures:
        sys.stderr.write(f"{failure}\n")
    sys.stderr.write(
        f"{name}: {result.small} small, {result.large} large, {result.decoded} decoded, {result.kinds} kinds\n"
    )


def read_totals() -> dict[str, Result]:
    """The results of all runs so far."""
    if not TOTALS.exists():
        return {}
    found = json.loads(TOTALS.read_text(encoding="utf-8"))
    return {
        name: Result(small, large, decoded, kinds, tuple(failures), next_seed)
        for name, (small, large, decoded, kinds, failures, next_seed) in found.items()
    }


def save_totals(totals: Mapping[str, Result]) -> None:
    """Write the results of all runs."""
    TOTALS.write_text(json.dumps(totals, indent=1), encoding="utf-8")


def figures(results: Mapping[str, Result]) -> list[Figure]:
    """For each decoder the failures, and how many different answers the inputs reached."""
    found: list[Figure] = []
    for name, result in results.items():
        n = result.small + result.large
        found.extend(
            (
                Figure.at_most(f"{name}: exceptions, crashes and hangs", len(result.failures), 0, n=n),
                Figure.observed(f"{name}: small inputs", result.small, n=n),
                Figure.observed(f"{name}: large inputs", result.large, n=n),
                Figure.observed(f"{name}: different answers", result.kinds, n=n),
            )
        )
    return found


if __name__ == "__main__":
    main()
