"""The upper bound: the same ONNX Runtime session without a server, called by two threads of this process."""

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnxruntime
from tqdm import tqdm

from benchmarks.paths import bundle
from benchmarks.serving.load.graphs import GRAPHS
from benchmarks.serving.scenarios.results import Pace
from benchmarks.serving.servers.catalogue import THREADS
from benchmarks.serving.servers.http_requests import moons_rows
from diffeo.bundle import base

NAME: Final = "in process"
CHUNK_ROWS: Final = 1024  # the default of the server's setting chunk_rows
BLOCK_ROWS: Final = 16 * CHUNK_ROWS  # the server draws samples in blocks of this size
DIMENSION: Final = 2
TIMED_CALLS: Final = 100
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class InProcess:
    """The rates of one graph in one round.

    Attributes:
        rows_per_second: rows of log_prob, in calls of 1024 rows on two threads, with nothing else on the machine.
        chunk_ms: median time of one such call on one thread, alone.
        draws_per_second: rows of x that two threads draw and send through the inverse graph.
    """

    graph: str
    rows_per_second: float
    chunk_ms: float
    draws_per_second: float


def measure(pace: Pace) -> list[InProcess]:
    """Measures every graph once."""
    return [_measure_graph(graph, pace.seconds) for graph in tqdm(GRAPHS, desc=NAME, unit="graph")]


def session(graph: str, direction: str = "forward") -> onnxruntime.InferenceSession:
    """A session with one thread per call, as the server uses it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    path = bundle(graph) / f"{direction}.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _measure_graph(graph: str, seconds: float) -> InProcess:
    forward, inverse = session(graph), session(graph, "inverse")
    x = moons_rows(CHUNK_ROWS)

    def compute_log_prob(_: int) -> int:
        forward.run(["log_prob"], {"x": x})
        return CHUNK_ROWS

    def draw_samples(block: int) -> int:
        z = base.draw(SEED, block * BLOCK_ROWS, BLOCK_ROWS, DIMENSION)
        np.concatenate([inverse.run(["x"], {"z": chunk})[0] for chunk in np.split(z, BLOCK_ROWS // CHUNK_ROWS)])
        return BLOCK_ROWS

    times = [_seconds(compute_log_prob) for _ in range(TIMED_CALLS)]
    return InProcess(
        graph, _rate(compute_log_prob, seconds), statistics.median(times) * 1e3, _rate(draw_samples, seconds)
    )


def _seconds(work: Callable[[int], int]) -> float:
    started = time.monotonic()
    work(0)
    return time.monotonic() - started


def _rate(work: Callable[[int], int], seconds: float) -> float:
    """Rows per second of `work` on two threads. `work` takes a counter and returns its number of rows."""
    done = [0] * THREADS
    started = time.monotonic()

    def repeat(thread: int) -> None:
        number = thread
        while time.monotonic() < started + seconds:
            done[thread] += work(number)
            number += THREADS

    threads = [threading.Thread(target=repeat, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - started)
