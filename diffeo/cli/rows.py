"""`diffeo sample`, `log-prob` and `transform`: rows from a running service (--url) or from a bundle on this disk."""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from diffeo.bulk import command_options
from diffeo.density import Density, Output, Rows, fresh_seed
from diffeo.errors import DiffeoError
from diffeo.tables import files
from diffeo.tables.computed_names import computed_names

from .command import Command

# Rows of one call: enough to keep every core busy, and below the default limits of a service.
CALL_ROWS = 65_536

SAMPLE_EXAMPLE: Final = """\
  diffeo sample --model moons -n 1000 --seed 7 --out rows.csv
  diffeo sample --model moons -n 3 --return x log_prob --url http://127.0.0.1:8000
  diffeo sample --model moons -n 1e9 --seed 7 --out folder"""
LOG_PROB_EXAMPLE: Final = """\
  diffeo log-prob rows.csv --model moons
  cat rows.csv | diffeo log-prob - --model moons --url http://127.0.0.1:8000
  diffeo log-prob events/*.parquet --model moons --out folder --keep id"""
TRANSFORM_EXAMPLE: Final = """\
  diffeo transform rows.csv --model moons --direction forward --out latent.npy
  diffeo transform latent.npy --model moons --direction inverse"""
FILES: Final = (
    "a .csv, .tsv, .npy, .npz, .parquet or .arrow file, a text also as .gz or .zst, or - for standard input; "
    "when --out is a folder: any number of files, patterns, folders and URLs"
)


def add_sample_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo sample`."""
    _add_model(parser)
    parser.add_argument(
        "-n",
        "--num-samples",
        type=_count,
        default=10,
        help="number of rows, such as 1000 or 1e6 (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, help="seed of the sample; without it a random seed is used and printed to standard error"
    )
    parser.add_argument("--start", type=int, default=0, help="first row of the sample to write (default: %(default)s)")
    parser.add_argument("--temperature", type=float, default=1.0, help="factor on z (default: %(default)s)")
    parser.add_argument(
        "--return",
        dest="outputs",
        nargs="+",
        choices=["x", "log_prob", "z"],
        default=["x"],
        help="outputs to write (default: x)",
    )
    command_options.add_options(parser, _count)


def sample(options: argparse.Namespace) -> int:
    """Write rows of a sample."""
    if command_options.is_folder(options.out):
        return command_options.sample(options)
    command_options.check_without_folder(options)
    seed = fresh_seed() if options.seed is None else options.seed
    outputs: tuple[Output, ...] = tuple(options.outputs)
    end = options.start + options.num_samples
    with _density(options) as density, files.writer(_path(options.out), _column_names(density, outputs)) as writer:
        for start in range(options.start, end, CALL_ROWS):
            count = min(CALL_ROWS, end - start)
            answer = density.draw(count, seed=seed, start=start, temperature=options.temperature, outputs=outputs)
            writer.write(_side_by_side(*(answer[output] for output in outputs)))
    if options.seed is None:
        # The sample can be repeated only with its seed.
        print(f"seed {seed}", file=sys.stderr)  # noqa: T201  (standard output is for rows)
    return 0


def add_log_prob_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo log-prob`."""
    _add_model(parser)
    parser.add_argument("files", nargs="+", help=FILES)
    command_options.add_input_options(parser)
    command_options.add_options(parser, _count)


def log_prob(options: argparse.Namespace) -> int:
    """Write the log density of each row of a file, or of many files into a folder."""
    if command_options.is_folder(options.out):
        return command_options.log_prob(options)
    command_options.check_without_folder(options)
    table = files.read(_single_file(options.files), command_options.read_options(options))
    with (
        _density(options) as density,
        files.writer(_path(options.out), computed_names(density.columns).log_prob) as writer,
    ):
        for rows in _split(table.select(density.columns, options.wrong)):
            writer.write(_side_by_side(density.log_prob(rows)))
    return 0


def add_transform_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo transform`."""
    _add_model(parser)
    parser.add_argument("files", nargs="+", help=FILES)
    parser.add_argument(
        "--direction", choices=["forward", "inverse"], required=True, help="forward maps x to z, inverse maps z to x"
    )
    command_options.add_input_options(parser)
    command_options.add_options(parser, _count)


def transform(options: argparse.Namespace) -> int:
    """Write z or x of each row of a file and the log|det|, or of many files into a folder."""
    if command_options.is_folder(options.out):
        return command_options.transform(options)
    command_options.check_without_folder(options)
    table = files.read(_single_file(options.files), command_options.read_options(options))
    with _density(options) as density:
        x, computed = density.columns, computed_names(density.columns)
        source, target = (x, computed.z) if options.direction == "forward" else (computed.z, x)
        with files.writer(_path(options.out), [*target, *computed.log_abs_det_jacobian]) as writer:
            for rows in _split(table.select(source, options.wrong)):
                writer.write(_side_by_side(*density.transform(rows, options.direction)))
    return 0


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--version", type=int, dest="model_version", help="version of the model (default: the newest)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="repository folder (default: %(default)s)")
    parser.add_argument("--url", help="address of a running service; without it this process computes the bundle")
    parser.add_argument(
        "--out", help="a .csv or .npy file, or a folder or URL for any number of rows (default: CSV on standard output)"
    )


@contextmanager
def _density(options: argparse.Namespace) -> Iterator[Density]:
    if options.url is not None:
        from diffeo.client.client import Client  # noqa: PLC0415  (a local command needs no HTTP client)

        with Client(options.url) as client:
            yield client.model(options.model, options.model_version)
        return
    from diffeo.local.model import open_model  # noqa: PLC0415  (a client-only installation lacks onnxruntime)

    yield open_model(options.models, options.model, options.model_version)


def _column_names(density: Density, outputs: tuple[Output, ...]) -> list[str]:
    computed = computed_names(density.columns)
    names: dict[Output, Sequence[str]] = {"x": density.columns, "z": computed.z, "log_prob": computed.log_prob}
    return [name for output in outputs for name in names[output]]


def _split(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), CALL_ROWS):
        yield rows[start : start + CALL_ROWS]


def _side_by_side(*arrays: Rows) -> Rows:
    """Join arrays to one table; a vector becomes one column."""
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def _path(out: str | None) -> Path | None:
    return None if out is None else Path(out)


def _single_file(paths: Sequence[str]) -> Path:
    if len(paths) > 1:
        raise DiffeoError("several files go into a folder: --out FOLDER")
    path = Path(paths[0])
    if not path.exists() and ("*" in paths[0] or "://" in paths[0]):
        raise DiffeoError(f"{paths[0]} is a pattern or a URL; name a folder as --out, or one file of this machine")
    return path


def _count(text: str) -> int:
    try:
        count = float(text)
    except ValueError:
        count = math.nan
    # is_integer is False for NaN and infinity.
    if not count.is_integer() or count < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, such as 1000 or 1e6, not {text}")
    return int(count)


SAMPLE: Final = Command("sample", "draw rows of a seeded sample", SAMPLE_EXAMPLE, add_sample_options, sample)
LOG_PROB: Final = Command(
    "log-prob", "compute the log density of each row of files", LOG_PROB_EXAMPLE, add_log_prob_options, log_prob
)
TRANSFORM: Final = Command(
    "transform", "map rows of files to latent rows or back", TRANSFORM_EXAMPLE, add_transform_options, transform
)
