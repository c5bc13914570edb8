"""`diffeo fit` and `diffeo certify`: fit and publish a flow, and measure a published one again."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from diffeo.errors import DiffeoError

from .command import Command, whole_number
from .table_options import add_table_options, table_options

if TYPE_CHECKING:
    from diffeo.training.recipe import Recipe

FIT_EXAMPLE: Final = """\
  diffeo fit measurements.csv --name measurements
  diffeo fit 'run_*.parquet' --name runs --drop id,time --missing drop
  diffeo fit measurements.csv --dry-run
  diffeo fit training/recipes/moons.toml --device cpu
  diffeo fit measurements.csv --name measurements --budget 2m
  diffeo fit measurements.csv --name measurements --resume
  diffeo fit measurements.csv --name measurements --resume --publish-best"""
CERTIFY_EXAMPLE: Final = """\
  diffeo certify models/moons/1
  diffeo certify models/moons/1 --int8 --publish"""
INT8: Final = "also write the graphs whose hidden layers compute in 8-bit integers"


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo fit`."""
    parser.add_argument(
        "source",
        nargs="+",
        help="a recipe (.toml), or tables (csv, tsv, Parquet, Arrow, npy, npz; - is standard input)",
    )
    parser.add_argument("--name", help="name of the model; required for a table")
    add_table_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what the table holds, and fit nothing")
    _add_folder(parser, "--models", "models", "repository folder that the model is published to")
    _add_folder(parser, "--runs", "runs", "folder for the state of fits that are not finished")
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="device that fits (default: %(default)s)"
    )
    parser.add_argument(
        "--budget",
        metavar="TIME",
        help="time for the whole fit, publication included, such as 90s, 2m or 1h30m (default: by the table's size)",
    )
    parser.add_argument(
        "--threads", type=whole_number, metavar="N", help="processor threads (default: measured at the start)"
    )
    parser.add_argument("--resume", action="store_true", help="continue the last fit from its saved state")
    parser.add_argument(
        "--publish-best", action="store_true", help="publish the best weights of the saved state without further steps"
    )
    parser.add_argument("--torchscript", action="store_true", help="also write the graphs as TorchScript")
    parser.add_argument("--int8", action="store_true", help=INT8)


def fit(options: argparse.Namespace) -> int:
    """Fit a flow, certify it and publish it; with --dry-run only show what the table holds."""
    is_recipe = len(options.source) == 1 and options.source[0].endswith(".toml")
    if not is_recipe and options.name is None and not options.dry_run:
        raise DiffeoError("a table needs a name for its model: --name NAME")
    options.interrupted = "interrupted before the fit began; to start again, run the same command"
    from diffeo.training import recipe  # noqa: PLC0415  (only this command imports torch)

    chosen = table_options(options)
    if is_recipe:
        the_recipe = recipe.with_table_options(recipe.read(Path(options.source[0])), chosen)
    else:
        the_recipe = recipe.for_files(options.source, options.name or "table", chosen)
    if options.budget is not None:
        the_recipe = recipe.with_budget(the_recipe, options.budget)
    return _dry_run(the_recipe) if options.dry_run else _fit(the_recipe, options)


def _dry_run(recipe: "Recipe") -> int:
    """Print the look at the table; 1 if it cannot be fitted as it is."""
    from diffeo.training import source  # noqa: PLC0415  (as above)
    from diffeo.training.inspection import inspect, render  # noqa: PLC0415  (as above)

    if not recipe.data.files:
        raise DiffeoError(f"--dry-run: {recipe.name} draws its rows and reads no table; leave it out")
    report = inspect(source.read(recipe), recipe.data.choices())
    print(render(report))  # noqa: T201  (the result goes to standard output)
    return 0 if report.ok else 1


def _fit(recipe: "Recipe", options: argparse.Namespace) -> int:
    from diffeo.training import run  # noqa: PLC0415  (as above)
    from diffeo.training.fitting.interruption import FitInterrupted  # noqa: PLC0415  (as above)

    settings = run.Options(
        options.models,
        options.runs,
        options.device,
        resume=options.resume,
        torchscript=options.torchscript,
        int8=options.int8,
        publish_best=options.publish_best,
        threads=options.threads,
    )
    try:
        print(run.run(recipe, settings))  # noqa: T201  (as above)
    except FitInterrupted as interrupted:
        options.interrupted = _how_to_continue(str(interrupted), options.arguments, has_best=interrupted.has_best)
        raise
    return 0


def _how_to_continue(sentence: str, arguments: Sequence[str], *, has_best: bool) -> str:
    """The sentence of an interrupted fit, and the commands that continue it or publish its best weights."""
    lines = [sentence, f"to continue: {_command(arguments, '--resume')}"]
    if has_best:
        lines.append(f"to publish the best weights so far: {_command(arguments, '--resume', '--publish-best')}")
    return "\n".join(lines)


def _command(arguments: Sequence[str], *flags: str) -> str:
    """The command line as it was typed, with these flags added where they are missing."""
    kept = [argument for argument in arguments if argument not in flags]
    # After `--` nothing is an option.
    end = kept.index("--") if "--" in kept else len(kept)
    return shlex.join([_program(), *kept[:end], *flags, *kept[end:]])


def _program() -> str:
    """The name or path under which the user's shell finds this program."""
    started = sys.argv[0]
    found = shutil.which("diffeo")
    if Path(started).name != "diffeo" or (found is not None and Path(found).samefile(started)):
        return "diffeo"
    return started


def add_certify_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo certify`."""
    parser.add_argument("bundle", type=Path, help="a bundle folder, models/NAME/VERSION")
    parser.add_argument("--int8", action="store_true", help=INT8)
    parser.add_argument("--publish", action="store_true", help="publish the new certificate as the next version")


def certify(options: argparse.Namespace) -> int:
    """Measure the graphs of a published bundle against its flow again."""
    from diffeo.training import recertify  # noqa: PLC0415  (as above)

    print(recertify.recertify(options.bundle, int8=options.int8, publish_it=options.publish))  # noqa: T201  (as above)
    return 0


def _add_folder(parser: argparse.ArgumentParser, flag: str, default: str, text: str) -> None:
    parser.add_argument(flag, type=Path, default=Path(default), help=f"{text} (default: %(default)s)")


FIT: Final = Command(
    "fit", "fit a flow to your table or a recipe, certify it and publish it", FIT_EXAMPLE, add_fit_options, fit
)
CERTIFY: Final = Command(
    "certify",
    "measure the graphs of a bundle against its flow in float64",
    CERTIFY_EXAMPLE,
    add_certify_options,
    certify,
)
