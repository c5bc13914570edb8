"""Ten minutes of mixed load, every answer checked: `python -m benchmarks.reliability.soak`, or `make soak`.

All operations and formats, 1 % malformed requests, 1 % disconnects, a new version of a model every 30 s. The server has
one worker, which tells what it holds after garbage is collected and free memory is returned to the system.
`--quick` takes half a minute.
"""

import sys
from typing import Final

from benchmarks.reliability.figure import Figure, read_options, write
from tests.reliability.soak.run import Pace, Soak, soak

# A leak that the soak must notice.
LEAK_BYTES: Final = 64
LEAKY: Final = Pace(seconds=60, swap_seconds=30, look_seconds=2)
LONG: Final = Pace(seconds=600, swap_seconds=30, look_seconds=5)
QUICK: Final = Pace(seconds=30, swap_seconds=3, look_seconds=0.5)
MOST_GROWTH_BYTES: Final = 8.0
MOST_OBJECTS: Final = 0.1
MOST_SLOWDOWN: Final = 1.5


def main() -> None:
    """Run, print what was wrong, and write the figures."""
    options = read_options(__doc__)
    run = soak(QUICK if options.quick else LONG, options.seed)
    sys.stdout.writelines(f"{sentence}\n" for sentence in run.load.wrong[:50])
    leaky = soak(QUICK if options.quick else LEAKY, options.seed, LEAK_BYTES)
    found = [*figures(run), control(leaky)]
    write("soak", "make soak", found, seed=options.seed, quick=options.quick)


def figures(run: Soak) -> list[Figure]:
    """The figures of a soak, beside the promises."""
    n, usages = run.load.requests, run.usages
    first, last = usages[0], usages[-1]
    return [
        Figure.observed("requests", n, n=n),
        Figure.at_most("wrong answers", len(run.load.wrong), 0, n=run.load.checked),
        Figure.at_most(
            "growth of memory", run.growth(lambda used: used.memory_bytes), MOST_GROWTH_BYTES, "bytes/request", n=n
        ),
        Figure.at_most(
            "growth of Python objects", run.growth(lambda used: used.objects), MOST_OBJECTS, "a request", n=n
        ),
        Figure.at_most("further threads at the end", last.threads - first.threads, 2, n=n),
        Figure.at_most("further open files at the end", last.open_files - first.open_files, 4, n=n),
        Figure.at_most("further tasks at the end", last.tasks - first.tasks, 8, n=n),
        Figure.at_most(
            "p99 of one row, last tenth by first tenth", run.slowdown(), MOST_SLOWDOWN, n=len(run.load.seconds)
        ),
        Figure.observed("answers of status 429 with Retry-After", run.load.refused, n=n),
        Figure.observed("disconnects", run.load.disconnects, n=n),
        Figure.observed("versions swapped under load", run.swaps, n=n),
    ]


def control(leaky: Soak) -> Figure:
    """The figures of the same soak if the server leaves an object behind at every request."""
    growth, n = leaky.growth(lambda used: used.objects), leaky.load.requests
    return Figure.at_least(f"control: objects lost a request with a leak of {LEAK_BYTES} bytes", growth, 0.9, n=n)


if __name__ == "__main__":
    main()
