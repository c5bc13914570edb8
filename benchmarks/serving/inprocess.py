"""What the machine gives without a server: the same session of ONNX Runtime, called by two threads of this process."""

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnxruntime
import wire
from graphs import GRAPHS
from places import bundle
from results import Pace
from servers import THREADS
from tqdm import tqdm

from diffeo.bundle import base

NAME: Final = "in process"
CHUNK_ROWS: Final = 1024  # as the server's setting chunk_rows
PIECE_ROWS: Final = 16 * CHUNK_ROWS  # as the server draws
DIMENSION: Final = 2
CALLS: Final = 100
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What one graph gives in one round.

    Attributes:
        rows_per_second: of log_prob, calls of 1024 rows on two threads, with nothing else on the machine.
        chunk_ms: median time of one such call on one thread alone.
        draws_per_second: rows of x, drawn and sent through the inverse graph on two threads.
    """

    graph: str
    rows_per_second: float
    chunk_ms: float
    draws_per_second: float


def ceilings(pace: Pace) -> list[Ceiling]:
    """Every graph, once."""
    return [_ceiling(graph, pace.seconds) for graph in tqdm(GRAPHS, desc=NAME, unit="graph")]


def session(graph: str, direction: str = "forward") -> onnxruntime.InferenceSession:
    """A graph on one thread a call, as our server loads it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    path = bundle(graph) / f"{direction}.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _ceiling(graph: str, seconds: float) -> Ceiling:
    forward, inverse = session(graph), session(graph, "inverse")
    x = wire.rows(CHUNK_ROWS)

    def score(_: int) -> int:
        forward.run(["log_prob"], {"x": x})
        return CHUNK_ROWS

    def draw(piece: int) -> int:
        z = base.draw(SEED, piece * PIECE_ROWS, PIECE_ROWS, DIMENSION)
        np.concatenate([inverse.run(["x"], {"z": chunk})[0] for chunk in np.split(z, PIECE_ROWS // CHUNK_ROWS)])
        return PIECE_ROWS

    times = [_seconds(score) for _ in range(CALLS)]
    return Ceiling(graph, _rate(score, seconds), statistics.median(times) * 1e3, _rate(draw, seconds))


def _seconds(work: Callable[[int], int]) -> float:
    began = time.monotonic()
    work(0)
    return time.monotonic() - began


def _rate(work: Callable[[int], int], seconds: float) -> float:
    """Rows per second of `work`, which is given a running number and answers with its rows, on two threads."""
    done = [0] * THREADS
    began = time.monotonic()

    def repeat(thread: int) -> None:
        number = thread
        while time.monotonic() < began + seconds:
            done[thread] += work(number)
            number += THREADS

    threads = [threading.Thread(target=repeat, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - began)
