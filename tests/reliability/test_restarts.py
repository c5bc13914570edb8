"""No accepted connection is closed without an answer: stops, restarts, and a second server on the port."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from benchmarks import process_tree
from benchmarks.reliability.served import fixed_port
from tests.given.flows import affine
from tests.given.servers.paced_clients import PacedClients, post
from tests.given.servers.server_process import DIFFEO, free_port
from tests.given.servers.watched_server import WatchedServer

REQUEST = post("/log_prob", b'{"x":[[0.3,-0.4]]}')
STREAM = b"POST /sample?num_samples=400000&seed=1&format=npy HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


def connect(server: WatchedServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=30)


def head(connection: socket.socket) -> bytes:
    """The head of the response, in lower case; empty if the connection ends without one."""
    received = b""
    with contextlib.suppress(OSError):
        while b"\r\n\r\n" not in received and (part := connection.recv(4096)):
            received += part
    return received.partition(b"\r\n\r\n")[0].lower()


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_every_connection_is_answered_when_one_process_stops() -> None:
    check_stop(WatchedServer(affine.DATA, workers=1))


def check_stop(server: WatchedServer) -> None:
    """Stop a server while connections are in each state; each one is answered."""
    silent, kept, probing, half, stream = (connect(server) for _ in range(5))
    for each in (kept, probing):
        each.sendall(REQUEST)
        assert b"200 ok" in head(each)
    half.sendall(REQUEST[:-10])
    stream.sendall(STREAM)
    time.sleep(0.2)
    server.process.terminate()
    time.sleep(0.4)
    # The first request after the signal has its answer, and the answer says that the connection ends.
    for each in (silent, kept):
        each.sendall(REQUEST)
        assert b"200 ok" in (answer := head(each))
        assert b"connection: close" in answer
    probing.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"503 service unavailable" in head(probing)
    half.sendall(REQUEST[-10:])
    assert b"200 ok" in head(half)
    assert len(b"".join(iter(lambda: stream.recv(1 << 20), b""))) > 400_000 * 8
    for each in (silent, kept, probing, half, stream):
        each.close()
    assert server.finish()[0] == 0


def test_a_second_signal_cuts_off_running_requests() -> None:
    # That the supervisor of several workers does so too is tested without an application.
    server = WatchedServer(affine.DATA, workers=1)
    with connect(server) as half:
        half.sendall(REQUEST[:-10])
        time.sleep(0.2)
        server.process.terminate()
        time.sleep(1)
        assert server.process.poll() is None
        server.process.terminate()
        # It has not waited for the request, which would end after the time limit of the stop with another exit code.
        assert server.finish()[0] == 1


def test_no_request_is_lost_when_a_loaded_server_is_stopped_and_started_again() -> None:
    port = fixed_port()
    clients = PacedClients(port, REQUEST)

    async def main() -> None:
        running = asyncio.create_task(clients.run())
        for workers in ("2", "1"):
            command = [DIFFEO, "serve", "--models", str(affine.DATA), "--port", str(port), "--workers", workers]
            server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
            before = len(clients.seconds)
            async with asyncio.timeout(60):
                while len(clients.seconds) < before + 100:  # noqa: ASYNC110  (the clients count)
                    await asyncio.sleep(0.02)
            server.terminate()
            assert await server.wait() == 0
        clients.running = False
        await running

    asyncio.run(main())
    assert clients.ends["answered"] >= 200
    assert not clients.unanswered


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    # Nothing is written to a scratch folder: it may vanish, or be full.
    nowhere = tmp_path_factory.mktemp("scratch") / "absent"
    server = WatchedServer(affine.DATA, workers=2, TMPDIR=str(nowhere))
    wait_until(lambda: len(server.pids) == 2)
    yield server
    if server.process.poll() is None:
        server.stop()


def test_a_rolling_restart_loses_no_request_and_refuses_no_connection(pair: WatchedServer) -> None:
    clients, before = PacedClients(pair.port, REQUEST), pair.pids
    counted = answered(pair)

    async def main() -> None:
        running = asyncio.create_task(clients.run())
        await asyncio.sleep(0.3)
        pair.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(wait_until, lambda: len(pair.pids) == 2 and not {*before} & {*pair.pids})
        clients.running = False
        await running

    asyncio.run(main())
    assert {*clients.ends} == {"answered"}
    # No count is lost either.
    wait_until(lambda: answered(pair) - counted == clients.ends["answered"])


def answered(server: WatchedServer) -> float:
    """The number of answered requests in the metrics."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    kind = 'diffeo_requests_total{code="200"'
    return sum(float(line.split()[-1]) for line in lines if line.startswith(kind) and "log_prob" in line)


def test_a_stopped_worker_is_replaced_and_the_other_one_answers(pair: WatchedServer) -> None:
    before = pair.pids
    os.kill(before[0], signal.SIGSTOP)
    # Each new connection is answered, after a moment at most, though the kernel gives half of them to the stopped one.
    for _ in range(10):
        assert httpx.get(f"{pair.url}/livez", timeout=30).status_code == 200
    wait_until(lambda: len(pair.pids) == 2 and before[0] not in pair.pids)
    assert before[1] in pair.pids


def test_every_connection_is_answered_when_two_workers_stop(pair: WatchedServer) -> None:
    check_stop(pair)


def test_one_of_two_servers_on_a_port_refuses_and_a_killed_supervisor_takes_its_workers_along() -> None:
    port = free_port()
    command = [DIFFEO, "serve", "--models", str(affine.DATA), "--port", str(port), "--workers", "2"]
    with ThreadPoolExecutor(2) as threads, contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
            for _ in range(2)
        ]
        ended = {server.pid: threads.submit(server.wait) for server in servers}
        wait_until(lambda: any(each.done() for each in ended.values()))
        (loser, winner) = sorted(servers, key=lambda server: not ended[server.pid].done())
        assert loser.returncode == 1
        assert loser.stderr is not None
        assert loser.stderr.read() == f"diffeo serve: cannot listen on 127.0.0.1 port {port}; is it taken?\n"
        wait_until(lambda: listens(port))
        assert winner.poll() is None
        workers = process_tree.descendants(winner.pid)
        assert len(workers) >= 2
        winner.kill()
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert not listens(port)


def listens(port: int) -> bool:
    """True if a server answers on the port."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    except httpx.TransportError:
        return False
