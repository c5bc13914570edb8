"""A million rows from POST /sample: the rate, the time until the first rows, and the growth of the server's memory."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Final

from tqdm import tqdm

from benchmarks import process_tree
from benchmarks.serving.scenarios.results import Pace
from benchmarks.serving.servers.catalogue import Server
from benchmarks.serving.servers.http_requests import HOST, NPY, TIMEOUT_SECONDS
from benchmarks.serving.servers.server_process import RunningServer, serving

GRAPH: Final = "flow64"
ROWS: Final = 1_000_000
WARM_UP_ROWS: Final = 20_000  # more rows than one stream block, so the response is a stream
WARM_UP_REQUESTS: Final = 8
MEDIA_TYPES: Final = {"npy": NPY, "arrow": "application/vnd.apache.arrow.stream"}
# The headers of both formats are shorter than this. A row is 8 bytes.
HEADER_BYTES: Final = 1024
READ_BYTES: Final = 256 * 1024
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class SampleResult:
    """One request for a million rows.

    Attributes:
        failure: why there are no numbers.
        first_byte_ms: from the request to the status line.
        first_rows_ms: from the request to the first byte of the body after the header of its format.
        peak_bytes: largest resident memory of the server's processes during the request, read every 20 ms.
        before_bytes: the same memory after the warm-up, before the first request.
    """

    format: str
    failure: str = ""
    seconds: float = 0.0
    first_byte_ms: float = 0.0
    first_rows_ms: float = 0.0
    peak_bytes: int = 0
    before_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from the request to the first byte, to the first rows and to the end of the body."""

    first_byte: float
    first_rows: float
    end: float


@dataclass
class PeakMemory:
    """The largest resident memory so far, in bytes."""

    value: int = 0
    stop: threading.Event = field(default_factory=threading.Event)


def measure(server: Server, pace: Pace) -> list[SampleResult]:
    """Several requests in each format; each format has a newly started server."""
    found: list[SampleResult] = []
    for name in tqdm(MEDIA_TYPES, desc="sampling", unit="format"):
        with serving(server, GRAPH) as running:
            found += _measure_format(running, name, 2 * pace.rounds + 1)
    return found


def _measure_format(running: RunningServer, name: str, count: int) -> Iterator[SampleResult]:
    pids = process_tree.descendants(running.supervisor)
    # Each warm-up request opens a new connection, so that every worker has streamed before the measurement.
    status = max(_request_samples(running.port, name, WARM_UP_ROWS)[0] for _ in range(WARM_UP_REQUESTS))
    if status == HTTPStatus.NOT_ACCEPTABLE:
        yield SampleResult(name, "not served")
        return
    before = process_tree.resident_bytes(pids)
    for _ in range(count):
        with _peak_memory(pids) as peak:
            status, timing = _request_samples(running.port, name, ROWS)
        if status != HTTPStatus.OK:
            yield SampleResult(name, f"status {status}")
            return
        yield SampleResult(name, "", timing.end, timing.first_byte * 1e3, timing.first_rows * 1e3, peak.value, before)


def _request_samples(port: int, name: str, rows: int) -> tuple[int, Timing]:
    """Sends one request, reads the whole response and returns its status and timing."""
    body = json.dumps({"num_samples": rows, "seed": 7})
    connection = HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    started = time.monotonic()
    connection.request("POST", "/sample", body, {"Content-Type": "application/json", "Accept": MEDIA_TYPES[name]})
    response = connection.getresponse()
    first_byte = first_rows = time.monotonic() - started
    received = 0
    while content := response.read1(READ_BYTES):
        if received <= HEADER_BYTES:
            first_rows = time.monotonic() - started
        received += len(content)
    end = time.monotonic() - started
    connection.close()
    return response.status, Timing(first_byte, first_rows, end)


@contextmanager
def _peak_memory(pids: list[int]) -> Iterator[PeakMemory]:
    peak = PeakMemory()

    def poll() -> None:
        while not peak.stop.wait(POLL_SECONDS):
            peak.value = max(peak.value, process_tree.resident_bytes(pids))

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield peak
    finally:
        peak.stop.set()
        thread.join()
