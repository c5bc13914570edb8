"""Jobs over files as one types them: beside the same arithmetic in memory, killed and resumed, by one and by two."""

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

from benchmarks.serving import tree
from diffeo.local.model import open_model

ROOT: Final = Path(__file__).parents[2]
WORK: Final = ROOT / "runs/scale"
DIFFEO: Final = Path(sys.executable).with_name("diffeo")
NAME: Final = "moons"
MODEL: Final = ("--model", NAME, "--models", str(ROOT / "models"))
# What is in memory at a time where there are no files: as much as a block.
IN_MEMORY_ROWS: Final = 2**19
POLL_SECONDS: Final = 0.1
KILLS: Final = 3
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Job:
    """One command, from its start to its end.

    Attributes:
        seconds: of the whole process, Python's start included.
        held_bytes: most that all its processes held, the sum of resident set sizes.
        grown_bytes: what of it came after the first block was done.
    """

    seconds: float
    held_bytes: int
    grown_bytes: int


@dataclass(frozen=True, slots=True)
class Scored:
    """Files scored, beside the same rows scored in memory.

    Attributes:
        rows: of the files.
        blocks: that the job made of them.
        in_memory: rows/s of the same graph on all cores of one process, without files; each round.
        jobs: the command; each round.
    """

    rows: int
    blocks: int
    in_memory: tuple[float, ...]
    jobs: tuple[Job, ...]

    @property
    def rates(self) -> list[float]:
        """Rows/s of each command."""
        return [self.rows / job.seconds for job in self.jobs]

    @property
    def share(self) -> float:
        """Rows/s of the command in those in memory: the median of the rounds' own ratios."""
        return statistics.median(own / other for own, other in zip(self.rates, self.in_memory, strict=True))


def prepare(rows: int) -> Path:
    """A folder of Parquet files with rows of the model itself."""
    folder = WORK / f"rows-{rows}"
    subprocess.run([*sample(rows), "--out", folder], check=True)
    return folder


def sample(rows: int) -> list[str]:
    """The command that draws rows."""
    return [str(DIFFEO), "sample", "--num-samples", str(rows), "--seed", str(SEED), *MODEL]


def score(files: Path) -> list[str]:
    """The command that scores files."""
    return [str(DIFFEO), "log-prob", str(files), *MODEL]


def scored(files: Path, rounds: int) -> Scored:
    """Score files, and the same rows in memory, in turn."""
    table = dataset.dataset(files, format="parquet").to_table()
    x = np.stack([column.to_numpy() for column in table.columns], axis=1)
    flow = open_model(ROOT / "models", NAME, None)
    rates: list[float] = []
    jobs: list[Job] = []
    for _ in tqdm(range(rounds), desc="score", unit="round"):
        began = time.monotonic()
        for begin in range(0, len(x), IN_MEMORY_ROWS):
            flow.log_prob(x[begin : begin + IN_MEMORY_ROWS])
        rates.append(len(x) / (time.monotonic() - began))
        jobs.append(timed(score(files), fresh("scored")))
    return Scored(len(x), len(parts(WORK / "scored")), tuple(rates), tuple(jobs))


def killed(files: Path) -> bool:
    """Whether a job that is killed at three random points and resumed writes what one writes that is left alone."""
    folder, clock = fresh("killed"), random.Random(SEED)  # noqa: S311  (when to kill is no secret)
    blocks = len(parts(WORK / "scored"))
    for _ in range(KILLS):
        job = subprocess.Popen([*score(files), "--out", folder])
        wanted = len(done(folder)) + clock.uniform(0.5, blocks / (KILLS + 2))
        while len(done(folder)) < wanted and job.poll() is None:
            time.sleep(POLL_SECONDS)
        job.send_signal(signal.SIGKILL)
        if job.wait() != -signal.SIGKILL:
            raise RuntimeError("the job had ended before it could be killed")
    timed(score(files), folder)
    return same(folder, WORK / "scored")


def on_ray(files: Path) -> tuple[float, bool]:
    """Seconds of the same job on a Ray cluster of two nodes, and whether it wrote the same bytes."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415  (Ray takes a second, and starts nothing unasked)

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        job = timed([*score(files), "--ray"], fresh("ray"), RAY_ADDRESS=cluster.address)
    finally:
        cluster.shutdown()
    return job.seconds, same(WORK / "ray", WORK / "scored")


def drawn(rows: int) -> tuple[dict[int, Job], bool]:
    """A sample drawn by one worker and by two, and whether they wrote the same bytes."""
    jobs = {
        workers: timed([*sample(rows), "--workers", str(workers)], fresh(f"drawn-{workers}"))
        for workers in tqdm((1, 2), desc="sample", unit="job")
    }
    alike = same(WORK / "drawn-1", WORK / "drawn-2")
    for workers in jobs:
        shutil.rmtree(WORK / f"drawn-{workers}")
    return jobs, alike


def timed(command: list[str], folder: Path, **variables: str) -> Job:
    """Run a command into a folder, and watch its memory."""
    began = time.monotonic()
    job = subprocess.Popen([*command, "--out", str(folder)], env={**os.environ, **variables})
    first = held = 0
    while job.poll() is None:
        now = tree.resident_bytes([job.pid, *tree.below(job.pid)])
        held = max(held, now)
        if not first and done(folder):
            first = now
        time.sleep(POLL_SECONDS)
    if job.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {job.returncode}")
    return Job(time.monotonic() - began, held, max(0, held - first) if first else 0)


def parts(folder: Path) -> list[Path]:
    """The files that a job has written."""
    return list(folder.glob("part-*"))


def done(folder: Path) -> list[str]:
    """The blocks that a job has noted so far."""
    with suppress(FileNotFoundError):
        return os.listdir(folder / "_blocks")  # noqa: PTH208  (only counted)
    return []


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, byte for byte."""
    names = sorted(path.name for path in one.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def fresh(name: str) -> Path:
    """A folder that is not there yet."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder
