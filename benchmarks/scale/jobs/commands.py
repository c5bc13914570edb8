"""Runs jobs over files as a user would: compares them with the same rows in memory, kills and resumes them."""

import filecmp
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pyarrow import dataset
from tqdm import tqdm

from benchmarks import process_tree
from benchmarks.paths import ROOT
from diffeo.local.model import open_model

WORK: Final = ROOT / "runs/scale"
DIFFEO: Final = Path(sys.executable).with_name("diffeo")
NAME: Final = "moons"
MODEL: Final = ("--model", NAME, "--models", str(ROOT / "models"))
IN_MEMORY_ROWS: Final = 2**19  # rows per call without files, as many as in a block
POLL_SECONDS: Final = 0.1
KILLS: Final = 3
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class JobRun:
    """One command, from its start to its end.

    Attributes:
        seconds: the whole process, with the start of Python.
        peak_bytes: largest sum of the resident set sizes of all its processes.
        growth_bytes: growth of that sum after the first block was done.
    """

    seconds: float
    peak_bytes: int
    growth_bytes: int


@dataclass(frozen=True, slots=True)
class Scoring:
    """Files scored by a job, and the same rows scored in memory.

    Attributes:
        rows: rows of the files.
        blocks: number of blocks of the job.
        in_memory: rows/s of the same graph on all cores of one process, without files, by round.
        jobs: the job, by round.
    """

    rows: int
    blocks: int
    in_memory: tuple[float, ...]
    jobs: tuple[JobRun, ...]

    @property
    def rates(self) -> list[float]:
        """Rows/s of the job, by round."""
        return [self.rows / job.seconds for job in self.jobs]

    @property
    def share(self) -> float:
        """Rate of the job divided by the rate in memory: the median of the ratios of each round."""
        return statistics.median(own / other for own, other in zip(self.rates, self.in_memory, strict=True))


def prepare(rows: int) -> Path:
    """Writes a folder of Parquet files with rows of the model itself."""
    folder = WORK / f"rows-{rows}"
    subprocess.run([*sample_command(rows), "--out", folder], check=True)
    return folder


def sample_command(rows: int) -> list[str]:
    """The command that draws rows."""
    return [str(DIFFEO), "sample", "--num-samples", str(rows), "--seed", str(SEED), *MODEL]


def score_command(files: Path) -> list[str]:
    """The command that computes log_prob of files."""
    return [str(DIFFEO), "log-prob", str(files), *MODEL]


def score(files: Path, rounds: int) -> Scoring:
    """Scores the files and the same rows in memory, in turn."""
    table = dataset.dataset(files, format="parquet").to_table()
    x = np.stack([column.to_numpy() for column in table.columns], axis=1)
    flow = open_model(ROOT / "models", NAME, None)
    rates: list[float] = []
    jobs: list[JobRun] = []
    for _ in tqdm(range(rounds), desc="score", unit="round"):
        started = time.monotonic()
        for begin in range(0, len(x), IN_MEMORY_ROWS):
            flow.log_prob(x[begin : begin + IN_MEMORY_ROWS])
        rates.append(len(x) / (time.monotonic() - started))
        jobs.append(run_job(score_command(files), empty_folder("scored")))
    return Scoring(len(x), len(written_files(WORK / "scored")), tuple(rates), tuple(jobs))


def kill_and_resume(files: Path) -> bool:
    """Kills a job at three random points and resumes it. Returns whether it wrote the same bytes as the whole job.

    Raises:
        RuntimeError: the job ended before it could be killed.
    """
    folder, generator = empty_folder("killed"), random.Random(SEED)  # noqa: S311  (a time, not a secret)
    blocks = len(written_files(WORK / "scored"))
    for _ in range(KILLS):
        job = subprocess.Popen([*score_command(files), "--out", folder])
        wanted = len(finished_blocks(folder)) + generator.uniform(0.5, blocks / (KILLS + 2))
        while len(finished_blocks(folder)) < wanted and job.poll() is None:
            time.sleep(POLL_SECONDS)
        job.send_signal(signal.SIGKILL)
        if job.wait() != -signal.SIGKILL:
            raise RuntimeError("the job ended before it could be killed; use more rows")
    run_job(score_command(files), folder)
    return same_files(folder, WORK / "scored")


def score_on_ray(files: Path) -> tuple[float, bool]:
    """Runs the job on a Ray cluster of two nodes; returns its seconds and whether it wrote the same bytes."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415  (the import of Ray takes a second)

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        job = run_job([*score_command(files), "--ray"], empty_folder("ray"), RAY_ADDRESS=cluster.address)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray does not annotate it
    return job.seconds, same_files(WORK / "ray", WORK / "scored")


def draw(rows: int) -> tuple[dict[int, JobRun], bool]:
    """Draws a sample with one worker and with two; returns both runs and whether they wrote the same bytes."""
    jobs = {
        workers: run_job([*sample_command(rows), "--workers", str(workers)], empty_folder(f"drawn-{workers}"))
        for workers in tqdm((1, 2), desc="sample", unit="job")
    }
    identical = same_files(WORK / "drawn-1", WORK / "drawn-2")
    for workers in jobs:
        shutil.rmtree(WORK / f"drawn-{workers}")
    return jobs, identical


def run_job(command: list[str], folder: Path, **variables: str) -> JobRun:
    """Runs a command that writes into the folder, and measures its memory every 100 ms.

    Raises:
        RuntimeError: the command failed.
    """
    started = time.monotonic()
    job = subprocess.Popen([*command, "--out", str(folder)], env={**os.environ, **variables})
    after_first_block = peak = 0
    while job.poll() is None:
        memory = process_tree.resident_bytes([job.pid, *process_tree.descendants(job.pid)])
        peak = max(peak, memory)
        if not after_first_block and finished_blocks(folder):
            after_first_block = memory
        time.sleep(POLL_SECONDS)
    if job.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {job.returncode}")
    growth = max(0, peak - after_first_block) if after_first_block else 0
    return JobRun(time.monotonic() - started, peak, growth)


def written_files(folder: Path) -> list[Path]:
    """The result files of a job."""
    return list(folder.glob("part-*"))


def finished_blocks(folder: Path) -> list[str]:
    """The blocks that a job has recorded as finished."""
    with suppress(FileNotFoundError):
        return os.listdir(folder / "_blocks")  # noqa: PTH208  (only counted)
    return []


def same_files(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, byte for byte."""
    names = sorted(path.name for path in one.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def empty_folder(name: str) -> Path:
    """The path of a folder below runs/scale that does not exist; an old one is deleted."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder
