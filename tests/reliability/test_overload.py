"""Of more work than the service can do, the rest is rejected at once, and small requests are still answered."""

import shutil
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import pytest

from benchmarks.paths import ROOT
from diffeo.bundle import npy
from tests.given.servers.server_process import Server

ROWS: Final = 20_000
AT_ONCE: Final = 32
FLOOD: Final = 200
ONE_ROW: Final = b'{"model":"moons","x":[[0.3,-0.4]]}'
NPY: Final = {"content-type": "application/x-npy"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(ROOT / "models" / "moons", folder / "moons")
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    one = Server(models, DIFFEO_THREADS="1", DIFFEO_MAX_WAIT_MS="20")
    yield one
    one.stop()


def many_at_once(url: str, headers: dict[str, str]) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """The answers to several rounds of large requests, and those to requests of one row that came meanwhile."""
    body = npy.write(np.zeros((ROWS, 2), np.float32))
    large: list[httpx.Response] = []

    def send() -> None:
        with httpx.Client(timeout=30) as client:
            large.extend(
                client.post(f"{url}/log_prob?model=moons", content=body, headers=NPY | headers) for _ in range(3)
            )

    threads = [threading.Thread(target=send) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    small: list[httpx.Response] = []
    with httpx.Client(timeout=30) as client:
        while any(thread.is_alive() for thread in threads):
            small.append(client.post(f"{url}/log_prob", json={"model": "moons", "x": [[0.3, -0.4]]}))
    assert len(large) == 3 * AT_ONCE
    return large, small


@pytest.mark.parametrize("headers", [{}, {"x-request-timeout-ms": "5000"}], ids=["no deadline", "deadline"])
def test_a_request_that_cannot_be_computed_soon_is_rejected_and_one_row_is_always_answered(
    server: Server, headers: dict[str, str]
) -> None:
    large, small = many_at_once(server.url, headers)
    statuses = Counter(each.status_code for each in large)
    assert set(statuses) == {200, 429}
    assert all(int(each.headers["retry-after"]) >= 1 for each in large if each.status_code == 429)
    assert {each.status_code for each in small} == {200}


def read_answer(connection: socket.socket) -> bytes:
    """The bytes of one answer: head and body arrive together."""
    return connection.recv(65_536)


def flood(server: Server) -> tuple[list[bytes], bytes]:
    """The answers to requests of one row that all arrive while the process is stopped, and to a health check."""
    address = ("127.0.0.1", httpx.URL(server.url).port or 0)
    request = b"POST /log_prob HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    connections = [socket.create_connection(address, timeout=30) for _ in range(FLOOD)]
    # One request on each, so that the server has accepted all connections.
    for connection in connections:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    for connection in connections:
        read_answer(connection)
    health = connections.pop()
    server.process.send_signal(signal.SIGSTOP)
    try:
        for connection in connections:
            connection.sendall(request % len(ONE_ROW) + ONE_ROW)
        health.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    finally:
        server.process.send_signal(signal.SIGCONT)
    answers = [read_answer(connection) for connection in connections]
    checked = read_answer(health)
    for connection in [*connections, health]:
        connection.close()
    return answers, checked


def test_of_a_flood_of_one_row_requests_a_part_is_answered_and_the_rest_is_rejected(models: Path) -> None:
    short = Server(models, DIFFEO_MAX_WAIT_MS="4")
    try:
        answers, health = flood(short)
        after = httpx.post(f"{short.url}/log_prob", content=ONE_ROW, headers={"content-type": "application/json"})
    finally:
        short.stop()
    statuses = Counter(answer[9:12] for answer in answers)
    assert set(statuses) == {b"200", b"429"}
    assert all(b"\r\nretry-after: 1\r\n" in answer for answer in answers if answer[9:12] == b"429")
    assert health.startswith(b"HTTP/1.1 200")
    assert after.status_code == 200
