"""`diffeo study`: runs the experiments of the coursework study, judges its claims and writes its report."""

import argparse
from pathlib import Path
from typing import Final

from .command import Command

EXAMPLE: Final = """\
  diffeo study --quick
  diffeo study --claim 3
  diffeo study --report"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo study`."""
    parser.add_argument("--claim", type=int, metavar="N", help="judge one claim, 1 to 7, and write nothing")
    parser.add_argument("--report", action="store_true", help="write the report from the stored results; run nothing")
    parser.add_argument(
        "--quick", action="store_true", help="one seed and few epochs of each experiment, into runs/study-quick"
    )
    parser.add_argument("--data", type=Path, help="folder of the real tables; without it their stored results are used")
    parser.add_argument("--out", type=Path, help="folder of the report (default: docs/study, or runs/study-quick)")
    parser.add_argument(
        "--models",
        type=Path,
        default=Path("models"),
        help="repository folder of the models to compare with (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="fits at the same time; 0 is one for each usable core (default: 0)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the experiments and write the report, or only one of the two."""
    from diffeo.training.study import study  # noqa: PLC0415  (only this command imports torch)

    options.interrupted = "interrupted; finished experiments are stored, and the same command continues"
    out = Path("runs/study-quick") if options.quick else Path("docs/study")
    cache = Path("runs/study-quick/cache") if options.quick else Path("runs/study")
    settings = study.Options(
        options.out or out, cache, options.data, options.models, workers=options.workers, quick=options.quick
    )
    if options.claim is not None:
        print(study.judge(options.claim, settings))  # noqa: T201  (the result goes to standard output)
    elif options.report:
        study.write_report(settings)
    else:
        print(study.study(settings))  # noqa: T201  (as above)
    return 0


STUDY: Final = Command("study", "run the experiments of the coursework and judge its claims", EXAMPLE, add_options, run)
