"""`diffeo fit` and `diffeo certify`: fit and publish a flow, and measure a published one again."""

import argparse
from pathlib import Path
from typing import Final

from diffeo.errors import DiffeoError

from .command import Command

FIT_EXAMPLE: Final = """\
  diffeo fit measurements.csv --name measurements
  diffeo fit training/recipes/moons.toml --device cpu
  diffeo fit measurements.csv --name measurements --resume"""
CERTIFY_EXAMPLE: Final = """\
  diffeo certify models/moons/1
  diffeo certify models/moons/1 --int8 --publish"""
INT8: Final = "also write the graphs whose hidden layers compute in 8-bit integers"


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo fit`."""
    parser.add_argument("source", type=Path, help="a recipe (.toml) or a table (.csv, .parquet, .npy)")
    parser.add_argument("--name", help="name of the model; required for a table")
    _add_folder(parser, "--models", "models", "repository folder that the model is published to")
    _add_folder(parser, "--runs", "runs", "folder for the state of fits that are not finished")
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="device that fits (default: %(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="continue the last fit from its saved state")
    parser.add_argument("--torchscript", action="store_true", help="also write the graphs as TorchScript")
    parser.add_argument("--int8", action="store_true", help=INT8)


def fit(options: argparse.Namespace) -> int:
    """Fit a flow, certify it and publish it."""
    source: Path = options.source
    is_recipe = source.suffix == ".toml"
    if not is_recipe and options.name is None:
        raise DiffeoError("a table needs a name for its model: --name NAME")
    from diffeo.training import recipe, run  # noqa: PLC0415  (only this command imports torch)

    the_recipe = recipe.read(source) if is_recipe else recipe.for_file(source, options.name)
    options.interrupted = f"interrupted; to continue, run: diffeo fit {source} --resume (with the same options)"
    settings = run.Options(
        options.models,
        options.runs,
        options.device,
        resume=options.resume,
        torchscript=options.torchscript,
        int8=options.int8,
    )
    print(run.run(the_recipe, settings))  # noqa: T201  (the result goes to standard output)
    return 0


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
