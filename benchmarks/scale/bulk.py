"""Jobs over files, measured: `python -m benchmarks.scale.bulk` writes benchmarks/scale.md, each figure as it comes."""

import argparse
import json
import platform
import statistics
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.scale import jobs
from benchmarks.serving.machine import machine
from diffeo.runtime.cores import usable_cores

PAGE: Final = Path(__file__).parents[1] / "scale.md"
FIGURES: Final = PAGE.with_suffix(".json")
MEGABYTE: Final = 1e6
HEAD: Final = """# Jobs over files

`make bench-scale`, {date}: {machine}, Python {python}, onnxruntime {onnxruntime}, pyarrow {pyarrow}, Ray {ray}.
The model is `models/moons`. Every job is the command that one types, timed from the start of its process to its end;
memory is the sum of the resident sizes of all its processes, growth what came after the first block was done.

| what | asked | measured |
| --- | --- | --- |
"""
FOOT: Final = """
"In memory" is the same graph on all cores of one process, without files, timed in turn with each job. Folders are
compared byte for byte, manifest included. Raw figures: [`scale.json`](scale.json). What follows from them for a
thousand replicas and 10^12 rows: [`docs/scaling.md`](../docs/scaling.md).
"""


def main() -> None:
    """Score, kill, spread, draw; after each the page says what is known so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10_000_000, help="to score (1e7)")
    parser.add_argument("--draws", type=lambda text: int(float(text)), default=100_000_000, help="to draw (1e8)")
    parser.add_argument("--rounds", type=int, default=3, help="of scoring (3)")
    options = parser.parse_args()
    lines: list[tuple[str, str, str]] = []
    figures: dict[str, object] = {}
    files = jobs.prepare(options.rows)
    scored = jobs.scored(files, options.rounds)
    rate, memory = statistics.median(scored.rates), statistics.median(scored.in_memory)
    grown, held = max(job.grown_bytes for job in scored.jobs), max(job.held_bytes for job in scored.jobs)
    figures["scored"] = {
        "rows": scored.rows,
        "blocks": scored.blocks,
        "cores": usable_cores(),
        "in_memory": scored.in_memory,
        "rates": scored.rates,
        "held_bytes": held,
        "grown_bytes": grown,
    }
    lines += [
        (f"{scored.rows:,} rows of Parquet scored", "", f"{rate:,.0f} rows/s; in memory {memory:,.0f}"),
        ("that, of the rows/s in memory", "≥ 85 %", f"{scored.share:.0%}"),
        ("memory, growth and most", "< 200 MB growth", f"{grown / MEGABYTE:.0f} MB, {held / MEGABYTE:.0f} MB"),
    ]
    write(lines, figures)
    lines.append(("killed at three random points and resumed", "identical", told(same=jobs.killed(files))))
    write(lines, figures)
    seconds, same = jobs.on_ray(files)
    lines.append(("the same job on a Ray cluster of two nodes", "identical", f"{told(same=same)}; {seconds:.0f} s"))
    write(lines, figures)
    drawn, same = jobs.drawn(options.draws)
    figures["drawn"] = {"rows": options.draws, "seconds": {workers: job.seconds for workers, job in drawn.items()}}
    rates = ", ".join(f"{options.draws / job.seconds:,.0f} by {workers}" for workers, job in drawn.items())
    lines.append((f"{options.draws:,} rows drawn by one worker and by two", "identical", told(same=same)))
    lines.append(("rows/s of that", "", rates))
    write(lines, figures)


def told(*, same: bool) -> str:
    """In a word."""
    return "identical" if same else "DIFFERENT"


def write(lines: list[tuple[str, str, str]], figures: dict[str, object]) -> None:
    """The page and its raw figures."""
    packages = {name: version(name) for name in ("onnxruntime", "pyarrow", "ray")}
    facts = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), "python": platform.python_version()}
    rows = "".join(f"| {what} | {asked} | {measured} |\n" for what, asked, measured in lines)
    PAGE.write_text(HEAD.format(**facts, **packages) + rows + FOOT, encoding="utf-8")
    FIGURES.write_text(json.dumps({**facts, **packages, **figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
