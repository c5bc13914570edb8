"""Measures jobs over files: `python -m benchmarks.scale.jobs` writes benchmarks/results/scale.md after each step.

It takes half an hour on two cores and 3 GB under runs/scale.
"""

import argparse
import json
import platform
import statistics
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from benchmarks.machine import machine
from benchmarks.paths import RESULTS
from benchmarks.scale.jobs import commands
from diffeo.runtime.cores import usable_cores

PAGE: Final = RESULTS / "scale.md"
RAW: Final = PAGE.with_suffix(".json")
MEGABYTE: Final = 1e6
HEAD: Final = """# Jobs over files

`make bench-scale`, {date}: {machine}, Python {python}, onnxruntime {onnxruntime}, pyarrow {pyarrow}, Ray {ray}.
The model is `models/moons`. Every job is a command as a user types it, timed from the start of its process to its end.
Memory is the sum of the resident set sizes of all its processes; growth counts from the end of the first block.

| measurement | target | measured |
| --- | --- | --- |
"""
FOOT: Final = """
"In memory" is the same graph on all cores of one process, without files, timed in turn with each job. Folders are
compared byte for byte, with their manifests. Raw results: [`scale.json`](scale.json). The estimates for a thousand
replicas and 10^12 rows: [`docs/scaling.md`](../../docs/scaling.md).
"""


def main() -> None:
    """Score, kill and resume, score on Ray, draw. The page is written after each step."""
    options = read_options()
    lines: list[tuple[str, str, str]] = []
    raw: dict[str, object] = {}
    files = commands.prepare(options.rows)
    scoring = commands.score(files, options.rounds)
    rate, in_memory = statistics.median(scoring.rates), statistics.median(scoring.in_memory)
    growth, peak = max(job.growth_bytes for job in scoring.jobs), max(job.peak_bytes for job in scoring.jobs)
    raw["scored"] = {
        "rows": scoring.rows,
        "blocks": scoring.blocks,
        "cores": usable_cores(),
        "in_memory": scoring.in_memory,
        "rates": scoring.rates,
        "peak_bytes": peak,
        "growth_bytes": growth,
    }
    lines += [
        (f"{scoring.rows:,} rows of Parquet scored", "", f"{rate:,.0f} rows/s; in memory {in_memory:,.0f}"),
        ("share of the rate in memory", "≥ 85 %", f"{scoring.share:.0%}"),
        ("memory: growth and peak", "< 200 MB growth", f"{growth / MEGABYTE:.0f} MB, {peak / MEGABYTE:.0f} MB"),
    ]
    write(lines, raw)
    resumed = identical_or_different(identical=commands.kill_and_resume(files))
    lines.append(("killed at three random points and resumed", "identical", resumed))
    write(lines, raw)
    seconds, identical = commands.score_on_ray(files)
    on_ray = f"{identical_or_different(identical=identical)}; {seconds:.0f} s"
    lines.append(("the same job on a Ray cluster of two nodes", "identical", on_ray))
    write(lines, raw)
    drawn, identical = commands.draw(options.draws)
    raw["drawn"] = {"rows": options.draws, "seconds": {workers: job.seconds for workers, job in drawn.items()}}
    rates = ", ".join(f"{options.draws / job.seconds:,.0f} by {workers}" for workers, job in drawn.items())
    both = identical_or_different(identical=identical)
    lines.append((f"{options.draws:,} rows drawn by one worker and by two", "identical", both))
    lines.append(("rows/s of these", "", rates))
    write(lines, raw)


def read_options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10_000_000, help="rows to score (1e7)")
    parser.add_argument("--draws", type=lambda text: int(float(text)), default=100_000_000, help="rows to draw (1e8)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of scoring (3)")
    return parser.parse_args()


def identical_or_different(*, identical: bool) -> str:
    """The outcome of a comparison as a word of the table."""
    return "identical" if identical else "DIFFERENT"


def write(lines: list[tuple[str, str, str]], raw: dict[str, object]) -> None:
    """Writes the page and its raw results."""
    packages = {name: version(name) for name in ("onnxruntime", "pyarrow", "ray")}
    facts = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), "python": platform.python_version()}
    rows = "".join(f"| {name} | {target} | {measured} |\n" for name, target, measured in lines)
    PAGE.write_text(HEAD.format(**facts, **packages) + rows + FOOT, encoding="utf-8")
    RAW.write_text(json.dumps({**facts, **packages, **raw}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
