"""`diffeo sample | log-prob | transform | inspect`: ask a running service (--url) or a bundle on this disk."""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from diffeo.bulk import command_options
from diffeo.density import Density, Rows, fresh_seed, latent
from diffeo.errors import DiffeoError
from diffeo.tables import files

# Rows asked for at a time: large enough to keep every core busy, small enough for any service's limits.
PAGE_ROWS = 65_536

FILES = "with a folder as --out also .parquet and .arrow, patterns, folders and URLs"

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  (its only name)


def sample(options: argparse.Namespace) -> int:
    """Draw rows."""
    if command_options.is_folder(options.out):
        return command_options.sample(options)
    seed = fresh_seed() if options.seed is None else options.seed
    parts = tuple(options.parts)
    end = options.start + options.num_samples
    with _density(options) as density, files.writer(_path(options.out), _names(density, parts)) as out:
        for start in range(options.start, end, PAGE_ROWS):
            count = min(PAGE_ROWS, end - start)
            drawn = density.draw(count, seed=seed, start=start, temperature=options.temperature, parts=parts)
            out.write(_beside(*(drawn[part] for part in parts)))
    if options.seed is None:
        # Without its seed a sample cannot be drawn again.
        print(f"seed {seed}", file=sys.stderr)  # noqa: T201
    return 0


def log_prob(options: argparse.Namespace) -> int:
    """Write the log density of each row of a file, or of many files into a folder."""
    if command_options.is_folder(options.out):
        return command_options.log_prob(options)
    table = files.read(_one(options.files))
    with _density(options) as density, files.writer(_path(options.out), ["log_prob"]) as out:
        for page in _pages(table.select(density.columns, options.wrong)):
            out.write(_beside(density.log_prob(page)))
    return 0


def transform(options: argparse.Namespace) -> int:
    """Send the rows of a file through the flow, or of many into a folder."""
    if command_options.is_folder(options.out):
        return command_options.transform(options)
    table = files.read(_one(options.files))
    with _density(options) as density:
        forward = options.direction == "forward"
        x, z = density.columns, latent(density.columns)
        source, image = (x, z) if forward else (z, x)
        with files.writer(_path(options.out), [*image, "log_abs_det_jacobian"]) as out:
            for page in _pages(table.select(source, options.wrong)):
                out.write(_beside(*density.transform(page, options.direction)))
    return 0


def inspect(options: argparse.Namespace) -> int:
    """Show what a bundle is: columns, certificate, provenance."""
    if options.url is not None:
        from diffeo.client.client import Client  # noqa: PLC0415  (a server needs no client)

        with Client(options.url) as client:
            content = client.model(options.bundle).describe()
    else:
        from diffeo.bundle.read import read  # noqa: PLC0415  (a client-only installation lacks pydantic)

        bundle = read(Path(options.bundle))
        content = {"digest": bundle.digest, **bundle.manifest.model_dump(mode="json")}
    print(json.dumps(content, indent=2))  # noqa: T201
    return 0


def add_commands(commands: Commands) -> None:
    """Add the four commands to the shell."""
    parser = commands.add_parser("sample", help="draw rows")
    parser.set_defaults(run=sample)
    _add_source(parser)
    parser.add_argument("-n", "--num-samples", type=_count, default=10, help="rows to draw (10)")
    parser.add_argument("--seed", type=int, help="names the sample; drawn and told when absent")
    parser.add_argument("--start", type=int, default=0, help="first row of the sample (0)")
    parser.add_argument("--temperature", type=float, default=1.0, help="scales z (1)")
    parser.add_argument("--parts", nargs="+", choices=["x", "log_prob", "z"], default=["x"], help="what to write (x)")
    command_options.add_options(parser, _count)

    parser = commands.add_parser("log-prob", help="write the log density of each row of a file, or of many files")
    parser.set_defaults(run=log_prob)
    _add_source(parser)
    parser.add_argument("files", nargs="+", help=f"a .csv or .npy file, or - for CSV from standard input; {FILES}")
    command_options.add_files(parser)
    command_options.add_options(parser, _count)

    parser = commands.add_parser("transform", help="send the rows of a file through the flow")
    parser.set_defaults(run=transform)
    _add_source(parser)
    parser.add_argument("files", nargs="+", help=f"a .csv or .npy file, or - for CSV from standard input; {FILES}")
    parser.add_argument("--direction", choices=["forward", "inverse"], required=True, help="forward: x to z")
    command_options.add_files(parser)
    command_options.add_options(parser, _count)

    parser = commands.add_parser("inspect", help="show a bundle's columns, certificate and provenance")
    parser.set_defaults(run=inspect)
    parser.add_argument("bundle", help="a bundle folder; with --url, a model's name")
    parser.add_argument("--url", help="ask a running service")


def _add_source(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("--url", help="ask a running service; without it the bundle is computed here")
    parser.add_argument("--out", help="a .csv or .npy file, or a folder or URL for any size (CSV on standard output)")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--version", type=int, dest="model_version", help="version of the model (newest)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="repository folder (models)")


@contextmanager
def _density(options: argparse.Namespace) -> Iterator[Density]:
    if options.url is not None:
        from diffeo.client.client import Client  # noqa: PLC0415  (a server needs no client)

        with Client(options.url) as client:
            yield client.model(options.model, options.model_version)
        return
    from diffeo.local.model import open_model  # noqa: PLC0415  (a client-only installation lacks a runtime)

    yield open_model(options.models, options.model, options.model_version)


def _names(density: Density, parts: tuple[str, ...]) -> list[str]:
    names: dict[str, Sequence[str]] = {
        "x": density.columns,
        "z": latent(density.columns),
        "log_prob": ["log_prob"],
    }
    return [name for part in parts for name in names[part]]


def _pages(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), PAGE_ROWS):
        yield rows[start : start + PAGE_ROWS]


def _beside(*parts: Rows) -> Rows:
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def _path(out: str | None) -> Path | None:
    return None if out is None else Path(out)


def _one(files: Sequence[str]) -> Path:
    if len(files) > 1:
        raise DiffeoError("several files go into a folder: --out FOLDER")
    return Path(files[0])


def _count(text: str) -> int:
    try:
        count = float(text)
    except ValueError:
        count = math.nan
    # NaN and infinity are not whole either.
    if not count.is_integer() or count < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, such as 1000 or 1e6, not {text}")
    return int(count)
