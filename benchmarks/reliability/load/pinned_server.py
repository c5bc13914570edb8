"""A server of one worker on core 0, while this process, which makes the load, runs on core 1."""

import contextlib
import os
import resource
from collections.abc import Iterator
from typing import Final

import numpy as np

from benchmarks.paths import ROOT
from diffeo.bundle import npy
from tests.given.servers.server_process import Server

OPEN_FILES: Final = 16_384
MODEL: Final = "moons"
ONE_ROW: Final = b'{"model":"moons","x":[[0.3,-0.4]]}'
LIVEZ: Final = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextlib.contextmanager
def pinned_server() -> Iterator[tuple[Server, int]]:
    """The server and its port."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    server = Server(ROOT / "models", DIFFEO_THREADS="1")
    os.sched_setaffinity(0, {cores[-1]})
    try:
        yield server, int(server.url.rpartition(":")[2])
    finally:
        server.stop()
        os.sched_setaffinity(0, cores)


def request_of(rows: int, seed: int, *headers: str) -> bytes:
    """A request for the log density of so many rows: one as JSON, more as npy."""
    if rows == 1:
        return post("/log_prob", ONE_ROW, "application/json", *headers)
    table = np.random.default_rng(seed).standard_normal((rows, 2)).astype(np.float32)
    return post(f"/log_prob?model={MODEL}", npy.write(table), "application/x-npy", *headers)


def post(path: str, body: bytes, media_type: str, *headers: str) -> bytes:
    """The bytes of a POST request."""
    lines = [
        f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {media_type}", f"Content-Length: {len(body)}",
        *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body
