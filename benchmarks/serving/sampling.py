"""A million rows of x from POST /sample: how fast, how soon the first, and what the server's memory does meanwhile."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Final

import tree
import wire
from processes import Running, serving
from results import Pace
from servers import Server
from tqdm import tqdm

GRAPH: Final = "flow64"
ROWS: Final = 1_000_000
WARM_ROWS: Final = 20_000  # more than the server draws at once: it streams
WARM_DRAWS: Final = 8
FORMS: Final = {"npy": wire.NPY, "arrow": "application/vnd.apache.arrow.stream"}
# Headers of both formats are shorter than this, and a row is 8 bytes.
HEADER_BYTES: Final = 1024
READ_BYTES: Final = 256 * 1024
SAMPLE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Sample:
    """One draw of a million rows.

    Attributes:
        fault: why there is none.
        first_byte_ms: from the request to the status line.
        first_rows_ms: to the first byte of the body that is not its format's header.
        peak_bytes: most resident memory of the server's tree meanwhile, read every 20 ms.
        before_bytes: the same before the first draw, after a small one.
    """

    form: str
    fault: str = ""
    seconds: float = 0.0
    first_byte_ms: float = 0.0
    first_rows_ms: float = 0.0
    peak_bytes: int = 0
    before_bytes: int = 0


@dataclass
class Watch:
    """The most that was seen."""

    peak: int = 0
    stop: threading.Event = field(default_factory=threading.Event)


def samples(server: Server, pace: Pace) -> list[Sample]:
    """Several draws in each form, each form from a fresh server."""
    found: list[Sample] = []
    for form in tqdm(FORMS, desc="sampling", unit="form"):
        with serving(server, GRAPH) as running:
            found += _draws(running, form, 2 * pace.rounds + 1)
    return found


def _draws(running: Running, form: str, count: int) -> Iterator[Sample]:
    pids = tree.below(running.keeper)
    # Each on a connection of its own, so that every worker has streamed before.
    status = max(_draw(running.port, form, WARM_ROWS)[0] for _ in range(WARM_DRAWS))
    if status == HTTPStatus.NOT_ACCEPTABLE:
        yield Sample(form, "not served")
        return
    before = tree.resident_bytes(pids)
    for _ in range(count):
        with _watched(pids) as watch:
            status, (first_byte, first_rows, whole) = _draw(running.port, form, ROWS)
        if status != HTTPStatus.OK:
            yield Sample(form, f"status {status}")
            return
        yield Sample(form, "", whole, first_byte * 1e3, first_rows * 1e3, watch.peak, before)


def _draw(port: int, form: str, rows: int) -> tuple[int, tuple[float, float, float]]:
    """The status, and the seconds to the first byte, to the first rows and to the end."""
    body = json.dumps({"num_samples": rows, "seed": 7})
    connection = HTTPConnection(wire.HOST, port, timeout=wire.SECONDS)
    began = time.monotonic()
    connection.request("POST", "/sample", body, {"Content-Type": "application/json", "Accept": FORMS[form]})
    answer = connection.getresponse()
    first_byte = first_rows = time.monotonic() - began
    received = 0
    while piece := answer.read1(READ_BYTES):
        if received <= HEADER_BYTES:
            first_rows = time.monotonic() - began
        received += len(piece)
    whole = time.monotonic() - began
    connection.close()
    return answer.status, (first_byte, first_rows, whole)


@contextmanager
def _watched(pids: list[int]) -> Iterator[Watch]:
    watch = Watch()

    def look() -> None:
        while not watch.stop.wait(SAMPLE_SECONDS):
            watch.peak = max(watch.peak, tree.resident_bytes(pids))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop.set()
        thread.join()
