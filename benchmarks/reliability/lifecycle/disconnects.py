"""10,000 clients that reset their connection before the answer.

Their work must be cancelled, and nothing may be left behind: no task, no open file, no object.
"""

from typing import Final

from benchmarks.reliability.figure import Figure, read_options, write
from tests.reliability.storm.run import StormRun, run_storm

WARM_UP: Final = 1500
RESETS: Final = 10_000
FEW: Final = 500


def main() -> None:
    """Run the storm and write the figures."""
    options = read_options(__doc__)
    run = run_storm(WARM_UP, FEW if options.quick else RESETS, options.seed)
    command = "python -m benchmarks.reliability.lifecycle.disconnects"
    write("disconnects", command, figures(run), seed=options.seed, quick=options.quick)


def figures(run: StormRun) -> list[Figure]:
    """The figures of a storm, beside the promises."""
    n, before, after = run.resets, run.before, run.after
    memory = (after.memory_bytes - before.memory_bytes) / n
    return [
        Figure.at_most("share of a core in the two seconds after the storm", run.busy_share, 0.25, n=n),
        Figure.at_most("tasks left behind", after.tasks - before.tasks, 2, n=n),
        Figure.at_most("open files left behind", after.open_files - before.open_files, 2, n=n),
        Figure.at_most("threads left behind", after.threads - before.threads, 2, n=n),
        Figure.at_most("Python objects left behind", (after.objects - before.objects) / n, 0.1, "a reset", n=n),
        Figure.observed("growth of memory", memory, "bytes/reset", n=n),
    ]


if __name__ == "__main__":
    main()
