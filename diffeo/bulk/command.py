"""What a command line asks for, as a Job and a Crew; imported when a job is asked for, and with it what jobs need."""

import argparse
import sys

from diffeo.bundle.read import read
from diffeo.density import fresh_seed, settled
from diffeo.errors import needing
from diffeo.local.model import chosen
from diffeo.runtime.cores import usable_cores

from . import executors, job
from .executors import Crew
from .job import Job, Model
from .job_folder import Journal
from .location import locate
from .run import run


def log_prob(options: argparse.Namespace) -> int:
    """The log density of each row of files."""
    return _do(
        options,
        job.log_prob(_model(options), options.files, _kept(options), options.format, _rows(options), options.wrong),
    )


def transform(options: argparse.Namespace) -> int:
    """The image of each row of files."""
    asked = (options.direction, _kept(options), options.format, _rows(options), options.wrong)
    return _do(options, job.transform(_model(options), options.files, *asked))


def sample(options: argparse.Namespace) -> int:
    """Rows of a sample; one that was asked for without a seed goes on with the seed that it drew."""
    seed = options.seed
    if seed is None:
        held = (Journal(locate(options.out)).held() or {}).get("seed")
        seed = held if isinstance(held, int) else fresh_seed()
    draw = settled(options.num_samples, seed, options.start, options.temperature)
    return _do(options, job.sample(_model(options), draw, options.parts, options.format, _rows(options)))


def _do(options: argparse.Namespace, asked: Job) -> int:
    # Not on standard output, which is for rows.
    print(run(asked, locate(options.out), _crew(options)), file=sys.stderr)  # noqa: T201
    return 0


def _model(options: argparse.Namespace) -> Model:
    version = chosen(options.models, options.model, options.model_version)
    bundle = read(options.models / options.model / str(version))
    return Model(bundle, options.model, version, options.precision)


def _crew(options: argparse.Namespace) -> Crew:
    if options.ray:
        with needing("--ray", "ray"):
            from .ray_executor import on_ray  # noqa: PLC0415  (Ray is an extra of its own)

        return on_ray
    return executors.crew_of(options.workers or usable_cores())


def _kept(options: argparse.Namespace) -> list[str]:
    return [name for name in options.keep.split(",") if name]


def _rows(options: argparse.Namespace) -> int:
    return int(options.block_rows or job.BLOCK_ROWS)
