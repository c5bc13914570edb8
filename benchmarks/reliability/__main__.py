"""Measures what the server promises under hostile, heavy and broken load: `python -m benchmarks.reliability`.

It runs every long form one after the other, each in a process of its own, and writes benchmarks/results/reliability.md.
`--only NAMES` runs some of them, `--report` none; the page always shows the last long run of each.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

from tqdm import tqdm

from benchmarks.paths import RESULTS, ROOT
from benchmarks.reliability import page

# The module of each run and its usual duration in minutes on two cores. The name of the figures is its last part.
RUNS: Final = (
    ("tests.reliability.corpus", 2),
    ("tests.reliability.fuzz", 60),
    ("tests.reliability.description", 15),
    ("benchmarks.reliability.body_costs", 5),
    ("benchmarks.reliability.overload", 25),
    ("benchmarks.reliability.fairness", 3),
    ("benchmarks.reliability.slow_connections", 5),
    ("benchmarks.reliability.lifecycle.disconnects", 2),
    ("benchmarks.reliability.lifecycle.restarts", 20),
    ("benchmarks.reliability.lifecycle.kills", 3),
    ("benchmarks.reliability.lifecycle.swaps", 10),
    ("tests.reliability.hostile_bundles", 20),
    ("benchmarks.reliability.many_models", 10),
    ("benchmarks.reliability.soak", 11),
    ("benchmarks.reliability.throughput", 10),
)
PAGE: Final = RESULTS / "reliability.md"


def main() -> None:
    """Run, then write the page; exit with 1 if a run failed or a promise is broken."""
    modules = dict(RUNS)
    names = [module.rpartition(".")[2] for module in modules]
    parser = argparse.ArgumentParser(
        "python -m benchmarks.reliability", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a short run of each; the page stays as it is")
    parser.add_argument("--only", default=",".join(names), help=f"comma-separated names; all: {','.join(names)}")
    parser.add_argument("--report", action="store_true", help="only render the page from the figures that are there")
    given = parser.parse_args()
    chosen = [] if given.report else [each for each in modules if each.rpartition(".")[2] in given.only.split(",")]
    failed = run(chosen, modules, ["--quick"] if given.quick else [])
    if given.quick:
        sys.exit(bool(failed))
    found = page.measurements(names)
    page.write(found, PAGE)
    broken = [f"{each.name}: {figure.name}" for each in found for figure in each.figures if figure.kept is False]
    for sentence in [*(f"{module} failed" for module in failed), *(f"promise broken: {name}" for name in broken)]:
        sys.stderr.write(sentence + "\n")
    sys.exit(bool(failed or broken))


def run(chosen: Sequence[str], minutes: dict[str, int], options: Sequence[str]) -> list[str]:
    """Run the modules one after the other and show the progress; returns those that exited with an error."""
    failed: list[str] = []
    progress = tqdm(chosen, desc="reliability")
    for module in progress:
        tqdm.write(f"{time.strftime('%H:%M')} python -m {module}, about {minutes[module]} minutes", file=sys.stderr)
        if subprocess.run([sys.executable, "-m", module, *options], cwd=ROOT, check=False).returncode:
            failed.append(module)
    return failed


if __name__ == "__main__":
    main()
