"""The server processes: a log of JSON lines, a graceful stop, a dead worker replaced, a reason for a failed start."""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import onnxruntime
import pytest

from tests.given.flows import affine
from tests.given.servers.metrics_scrape import Scrape
from tests.given.servers.server_process import DIFFEO, Server

HOSTILE = {
    "a path": b'GET /%0a%7b"message":"FAKE"%7d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    "an id": b'GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: {"message":"FAKE"}\r\nConnection: close\r\n\r\n',
    "a method": b'{"message":"FAKE"} / HTTP/1.1\r\nHost: x\r\n\r\n',
    "no HTTP": b'{"message":"FAKE"}\r\n{"message":"FAKE"}\r\n\r\n',
}


@dataclass(frozen=True)
class ServerRun:
    """The status lines of hostile requests, a sample that was sent during the stop, the log and the exit code."""

    answers: dict[str, bytes]
    sample: bytes
    lines: list[dict[str, object]]
    code: int


@pytest.fixture(scope="module")
def run() -> ServerRun:
    server = Server(affine.DATA, DIFFEO_LOG_HEALTH_CHECKS="true")
    answers = {name: response_to(server.url, request).split(b"\r\n")[0] for name, request in HOSTILE.items()}
    with httpx.stream("POST", f"{server.url}/sample?num_samples=2000000&format=npy", timeout=30) as response:
        parts = response.iter_bytes()
        first = next(parts)
        server.process.terminate()
        sample = first + b"".join(parts)
    code, lines = server.finish()
    return ServerRun(answers, sample, lines, code)


def response_to(url: str, request: bytes) -> bytes:
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_hostile_requests_cannot_forge_a_log_line(run: ServerRun) -> None:
    assert run.answers["an id"] == b"HTTP/1.1 200 OK"
    assert all(b" 4" in answer for name, answer in run.answers.items() if name != "an id")
    assert all(line["message"] != "FAKE" for line in run.lines)
    paths = [line["path"] for line in run.lines if line["logger"] == "diffeo.access"]
    assert paths.count("/livez") == 1
    assert [path for path in paths if "FAKE" in str(path)] == ['/\n{"message":"FAKE"}']


def test_a_running_response_is_finished_before_the_process_ends(run: ServerRun) -> None:
    assert np.load(io.BytesIO(run.sample)).shape == (2_000_000, 2)
    assert run.code == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_taken_port_ends_the_start_with_a_sentence(workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [DIFFEO, "serve", "--models", str(affine.DATA), "--port", str(port), "--workers", workers]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"diffeo serve: cannot listen on 127.0.0.1 port {port}; is it taken?\n"


def workers_of(server: Server) -> set[int]:
    """The worker processes: the children that have loaded ONNX Runtime."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return {int(child) for child in children if "onnxruntime" in maps_of(child)}


def maps_of(process: str) -> str:
    try:
        return Path(f"/proc/{process}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        # The process ended after its parent listed it.
        return ""


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def pair() -> Iterator[Server]:
    running = Server(affine.DATA, DIFFEO_WORKERS="2")
    wait_until(lambda: len(workers_of(running)) == 2)
    yield running
    code, lines = running.stop()
    assert code == 0
    assert any(line["message"] == "serving" and line["workers"] == 2 for line in lines)


def test_every_worker_draws_the_same_rows_for_a_seed(pair: Server) -> None:
    # A connection stays with its worker. Twenty connections reach both workers.
    answers = {httpx.post(f"{pair.url}/sample?seed=7&num_samples=5&format=npy").content for _ in range(20)}
    assert len(answers) == 1


def test_connections_are_distributed_among_the_workers(pair: Server) -> None:
    address = urlsplit(pair.url)
    # A worker that is still starting opens sockets of its own; one that is ready has as many as the other.
    wait_until(lambda: len({sockets_of(worker) for worker in workers_of(pair)}) == 1)
    before = {worker: sockets_of(worker) for worker in workers_of(pair)}
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection((str(address.hostname), address.port or 0)))
        wait_until(lambda: sum(sockets_of(worker) - count for worker, count in before.items()) == 40)
        assert all(sockets_of(worker) - count >= 5 for worker, count in before.items())


def sockets_of(process: int) -> int:
    links = [str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir()]
    return sum(link.startswith("socket:") for link in links)


def test_a_second_service_cannot_listen_on_the_same_port(pair: Server) -> None:
    port = str(urlsplit(pair.url).port)
    command = [DIFFEO, "serve", "--models", str(affine.DATA), "--port", port, "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "is it taken?" in done.stderr) == (1, True)


def test_a_dead_worker_is_replaced_while_the_other_serves(pair: Server) -> None:
    before = workers_of(pair)
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len(workers_of(pair) - before) == 1)
    assert max(before) in workers_of(pair)
    assert httpx.post(f"{pair.url}/sample").status_code == 200


def test_every_scrape_shows_the_sums_of_all_workers_and_a_dead_worker_lowers_none(pair: Server) -> None:
    def scrape() -> Scrape:
        return Scrape(httpx.get(f"{pair.url}/metrics").text)

    before = scrape()
    # Each request uses a new connection, so both workers get some.
    for _ in range(20):
        httpx.post(f"{pair.url}/log_prob", json={"x": [[1, 2], [3, 4]]})
    # A request is counted when it has ended, shortly after the client has its response.
    wait_until(lambda: scrape().of("diffeo_requests_total") - before.of("diffeo_requests_total") == 20)
    scrapes = [scrape() for _ in range(10)]
    assert all(each.samples == scrapes[0].samples for each in scrapes)
    assert scrapes[0].of("diffeo_rows_total") - before.of("diffeo_rows_total") == 40
    assert scrapes[0].of("diffeo_batch_rows_sum") - before.of("diffeo_batch_rows_sum") == 40
    workers = workers_of(pair)
    os.kill(min(workers), signal.SIGKILL)
    wait_until(lambda: len(workers_of(pair) - workers) == 1)
    for _ in range(10):
        httpx.post(f"{pair.url}/log_prob", json={"x": [[1, 2]]})
    wait_until(lambda: scrape().of("diffeo_requests_total") - scrapes[0].of("diffeo_requests_total") == 10)
    assert not scrape().decreased_since(scrapes[0])


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this machine has cuda")
def test_a_start_without_any_worker_ends_with_a_reason() -> None:
    command = [DIFFEO, "serve", "--models", str(affine.DATA), "--port", "0", "--workers", "2"]
    done = subprocess.run(
        [*command, "--execution-providers", "cuda"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == "diffeo serve: the workers could not start; the log has the reason\n"
    reasons = [json.loads(line).get("reason", "") for line in done.stdout.splitlines()]
    assert any("cuda" in reason for reason in reasons)
