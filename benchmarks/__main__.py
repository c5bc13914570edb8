"""Lists the benchmarks: `python -m benchmarks` prints what each measures, how long it takes and what it needs."""

import sys
from typing import Final

# The command, what it measures, how long it takes on two cores and what it needs.
BENCHMARKS: Final = (
    ("serving", "diffeo beside other model servers: throughput, latency, memory", "35 minutes, wrk"),
    ("ray", "the cost of Ray Serve beside a plain server", "15 minutes, wrk"),
    ("scale.jobs", "jobs over files: throughput, memory, resume after a kill", "30 minutes, 3 GB of disk"),
    ("scale", "a thousand replicas and 10^12 rows: formulas and a simulation", "1 minute"),
    ("scale.costs", "the costs that the simulation uses, fitted to the results above", "1 second"),
    ("density", "the distance of the shipped models to the true densities", "1 minute"),
    ("reliability", "hostile, heavy and broken load, restarts, kills, hostile bundles, soak", "3 hours"),
    ("start", "start time and memory of the server", "1 minute"),
)


def main() -> None:
    """Print one line for each benchmark."""
    width = max(len(name) for name, _, _ in BENCHMARKS)
    lines = [f"python -m benchmarks.{name:<{width}}  {purpose} ({needs})" for name, purpose, needs in BENCHMARKS]
    sys.stdout.write("\n".join([*lines, "", "Each takes --help. Results are written to benchmarks/results."]) + "\n")


if __name__ == "__main__":
    main()
