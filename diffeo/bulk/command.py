"""Runs `diffeo log-prob`, `transform` and `sample` into a folder. This module imports pyarrow and the runtime."""

import argparse
import sys

from diffeo.bundle.read import read
from diffeo.density import fresh_seed, with_seed
from diffeo.errors import requires_extra
from diffeo.local.model import choose_version
from diffeo.runtime.cores import usable_cores

from . import job
from .executors import BlockExecutor, executor_for
from .job import BlockFiles, Inputs, Job, JobModel
from .job_folder import JobFolder
from .location import locate
from .run import run


def log_prob(options: argparse.Namespace) -> int:
    """Compute the log density of each row of files."""
    return _run(options, job.log_prob(_model(options), _inputs(options), _block_files(options)))


def transform(options: argparse.Namespace) -> int:
    """Map each row of files to z or to x."""
    return _run(options, job.transform(_model(options), _inputs(options), _block_files(options), options.direction))


def sample(options: argparse.Namespace) -> int:
    """Draw a sample. Without --seed, a resumed job takes the seed of its first run."""
    seed = options.seed
    if seed is None:
        earlier_job = JobFolder(locate(options.out)).read_description() or {}
        earlier_seed = earlier_job.get("seed")
        seed = earlier_seed if isinstance(earlier_seed, int) else fresh_seed()
    rows = with_seed(options.num_samples, seed, options.start, options.temperature)
    return _run(options, job.sample(_model(options), rows, options.outputs, _block_files(options)))


def _run(options: argparse.Namespace, requested: Job) -> int:
    summary = run(requested, locate(options.out), _executor(options))
    print(summary, file=sys.stderr)  # noqa: T201  (standard output is for rows)
    return 0


def _model(options: argparse.Namespace) -> JobModel:
    version = choose_version(options.models, options.model, options.model_version)
    bundle = read(options.models / options.model / str(version))
    return JobModel(bundle, options.model, version, options.precision)


def _executor(options: argparse.Namespace) -> BlockExecutor:
    if options.ray:
        with requires_extra("--ray", "ray"):
            from .ray_executor import on_ray  # noqa: PLC0415  (Ray is an optional extra)

        return on_ray
    return executor_for(options.workers or usable_cores())


def _inputs(options: argparse.Namespace) -> Inputs:
    kept = tuple(name for name in options.keep.split(",") if name)
    return Inputs(options.files, kept, options.wrong, options.reading)


def _block_files(options: argparse.Namespace) -> BlockFiles:
    return BlockFiles(options.format or job.DEFAULT_FORMAT, options.block_rows or job.BLOCK_ROWS)
