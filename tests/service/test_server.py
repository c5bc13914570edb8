"""The processes: JSON lines only, an end only after what runs, a dead worker replaced, a reason for no start."""

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
class Life:
    """What a process answered to hostile bytes, the sample it was sending when told to end, its log and its code."""

    answers: dict[str, bytes]
    sample: bytes
    lines: list[dict[str, object]]
    code: int


@pytest.fixture(scope="module")
def life() -> Life:
    server = Server(affine.DATA)
    answers = {name: exchange(server.url, request).split(b"\r\n")[0] for name, request in HOSTILE.items()}
    with httpx.stream("POST", f"{server.url}/sample?num_samples=2000000&format=npy", timeout=30) as response:
        parts = response.iter_bytes()
        first = next(parts)
        server.process.terminate()
        sample = first + b"".join(parts)
    code, lines = server.finish()
    return Life(answers, sample, lines, code)


def exchange(url: str, request: bytes) -> bytes:
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_bytes_on_the_wire_never_forge_a_line_of_the_log(life: Life) -> None:
    assert life.answers["an id"] == b"HTTP/1.1 200 OK"
    assert all(b" 4" in answer for name, answer in life.answers.items() if name != "an id")
    assert all(line["message"] != "FAKE" for line in life.lines)
    paths = [line["path"] for line in life.lines if line["logger"] == "diffeo.access"]
    assert paths.count("/livez") == 1
    assert [path for path in paths if "FAKE" in str(path)] == ['/\n{"message":"FAKE"}']


def test_an_answer_on_its_way_is_finished_before_the_process_ends(life: Life) -> None:
    assert np.load(io.BytesIO(life.sample)).shape == (2_000_000, 2)
    assert life.code == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_ends_the_start_with_a_sentence(workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [DIFFEO, "serve", "--models", str(affine.DATA), "--port", str(port), "--workers", workers]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"diffeo serve: cannot listen on 127.0.0.1 port {port}; is it taken?\n"


def workers_of(server: Server) -> set[int]:
    """The worker processes, which are those that map the runtime."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return {int(child) for child in children if "onnxruntime" in maps_of(child)}


def maps_of(process: str) -> str:
    try:
        return Path(f"/proc/{process}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        # It ended between the two looks.
        return ""


def until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def pair() -> Iterator[Server]:
    running = Server(affine.DATA, DIFFEO_WORKERS="2")
    until(lambda: len(workers_of(running)) == 2)
    yield running
    code, lines = running.stop()
    assert code == 0
    assert any(line["message"] == "serving" and line["workers"] == 2 for line in lines)


def test_every_worker_draws_the_same_rows_for_a_seed(pair: Server) -> None:
    # A connection stays with the worker that took it; twenty of them come to both.
    answers = {httpx.post(f"{pair.url}/sample?seed=7&num_samples=5&format=npy").content for _ in range(20)}
    assert len(answers) == 1


def test_connections_are_dealt_out_to_the_workers(pair: Server) -> None:
    address = urlsplit(pair.url)
    before = {worker: sockets_of(worker) for worker in workers_of(pair)}
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection((str(address.hostname), address.port or 0)))
        until(lambda: sum(sockets_of(worker) - count for worker, count in before.items()) == 40)
        assert all(sockets_of(worker) - count >= 5 for worker, count in before.items())


def sockets_of(process: int) -> int:
    links = [str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir()]
    return sum(link.startswith("socket:") for link in links)


def test_two_services_do_not_share_a_port(pair: Server) -> None:
    port = str(urlsplit(pair.url).port)
    command = [DIFFEO, "serve", "--models", str(affine.DATA), "--port", port, "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "is it taken?" in done.stderr) == (1, True)


def test_a_worker_that_dies_is_replaced_while_the_other_serves(pair: Server) -> None:
    before = workers_of(pair)
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(workers_of(pair) - before) == 1)
    assert max(before) in workers_of(pair)
    assert httpx.post(f"{pair.url}/sample").status_code == 200


def test_every_scrape_shows_what_all_workers_counted_and_a_death_takes_nothing_back(pair: Server) -> None:
    def scrape() -> Scrape:
        return Scrape(httpx.get(f"{pair.url}/metrics").text)

    before = scrape()
    # Each comes on a connection of its own, and so to either worker.
    for _ in range(20):
        httpx.post(f"{pair.url}/log_prob", json={"x": [[1, 2], [3, 4]]})
    # A request is counted when it has ended, which is a moment after its answer came.
    until(lambda: scrape().of("diffeo_requests_total") - before.of("diffeo_requests_total") == 20)
    seen = [scrape() for _ in range(10)]
    assert all(each.samples == seen[0].samples for each in seen)
    assert seen[0].of("diffeo_rows_total") - before.of("diffeo_rows_total") == 40
    assert seen[0].of("diffeo_batch_rows_sum") - before.of("diffeo_batch_rows_sum") == 40
    workers = workers_of(pair)
    os.kill(min(workers), signal.SIGKILL)
    until(lambda: len(workers_of(pair) - workers) == 1)
    for _ in range(10):
        httpx.post(f"{pair.url}/log_prob", json={"x": [[1, 2]]})
    until(lambda: scrape().of("diffeo_requests_total") - seen[0].of("diffeo_requests_total") == 10)
    assert not scrape().decreased_since(seen[0])


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this machine has cuda")
def test_workers_that_cannot_start_end_the_process_with_a_reason() -> None:
    command = [DIFFEO, "serve", "--models", str(affine.DATA), "--port", "0", "--workers", "2"]
    done = subprocess.run(
        [*command, "--execution-providers", "cuda"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == "diffeo serve: the workers could not start; the log says why\n"
    reasons = [json.loads(line).get("reason", "") for line in done.stdout.splitlines()]
    assert any("cuda" in reason for reason in reasons)
