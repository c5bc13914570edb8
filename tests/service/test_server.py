"""The process: it logs JSON lines only, finishes what runs before it ends, and says why when it cannot start."""

import io
import socket
import subprocess
from dataclasses import dataclass
from urllib.parse import urlsplit

import affine
import httpx
import numpy as np
import pytest
from process import DIFFEO, Server

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


def test_a_port_that_is_taken_ends_the_start_with_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [DIFFEO, "serve", "--models", str(affine.DATA), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"diffeo serve: cannot listen on 127.0.0.1 port {port}; is it taken?\n"
