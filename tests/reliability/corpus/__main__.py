"""Plays the whole corpus against a server and writes its figures: `python -m tests.reliability.corpus`."""

import sys

from benchmarks.reliability.figure import Figure, read_options, write
from tests.reliability.corpus.cases import all_cases
from tests.reliability.corpus.laws import is_server_error
from tests.reliability.corpus.run import Run, heavy_cases, play_corpus

PASSES = 5
WARM_UPS = 4


def main() -> None:
    """Play all cases several times, print every broken law, and write the figures."""
    options = read_options(__doc__)
    warm_up = heavy_cases() if options.quick else all_cases() + heavy_cases() * WARM_UPS
    run = play_corpus(warm_up, 1 if options.quick else PASSES)
    sys.stdout.writelines(f"{sentence}\n" for sentence in run.broken_laws)
    write("corpus", "python -m tests.reliability.corpus", figures(run), seed=None, quick=options.quick)


def figures(run: Run) -> list[Figure]:
    """The figures of a run, beside the promises."""
    n = run.cases
    answers = [answer for outcome in run.outcomes for answer in outcome.answers]
    errors = sum(is_server_error(outcome, answer) for outcome in run.outcomes for answer in outcome.answers)
    return [
        Figure.at_least("raw cases on a connection each, of which every law holds", n, 2000, n=n),
        Figure.at_most("broken laws", len(run.broken_laws), 0, n=n),
        Figure.at_most("answers of status 500 and above", errors, 0, n=len(answers)),
        Figure.at_most("cases without an answer or an end in 1 s", sum(each.hung for each in run.outcomes), 0, n=n),
        Figure.at_most("worker processes that ended", run.ended_processes, 0, n=n),
        Figure.at_most(
            "growth of the memory of both workers in one pass", run.growth_bytes / 1e6, 20, "MB", n=n // PASSES
        ),
        Figure.at_most(
            "growth of the memory of both workers in all passes", run.growth_of_all_bytes / 1e6, 20, "MB", n=n
        ),
        Figure.at_most("failures of a polite client meanwhile", len(run.polite.failures), 0, n=run.polite.answered),
    ]


if __name__ == "__main__":
    main()
