"""Receiving is bounded: framing, heads, time, connections and memory, over raw sockets against a real server."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.given.flows import affine
from tests.given.servers.metrics_scrape import Scrape
from tests.given.servers.server_process import Server
from tests.reliability.slow_kinds import POST, SlowClient, kinds, play

BODY = b'{"x":[[1,2]]}'
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
NEXT = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"


def post(headers: bytes, body: bytes) -> bytes:
    return POST + headers + b"\r\n" + body


def get(headers: bytes, target: bytes = b"/livez") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n"


# The bytes of a connection and the statuses of all responses on it. After an error the connection ends.
FRAMING = {
    "a length and chunks": (post(LENGTH + CHUNKED, CHUNKS) + NEXT, [400]),
    "chunks and a length": (post(CHUNKED + LENGTH, CHUNKS) + NEXT, [400]),
    "two lengths": (post(LENGTH + LENGTH, BODY) + NEXT, [400]),
    "a list of lengths": (post(b"Content-Length: 13, 13\r\n", BODY) + NEXT, [400]),
    "a length with a sign": (post(b"Content-Length: +13\r\n", BODY) + NEXT, [400]),
    "a length above 64 bits": (post(b"Content-Length: 99999999999999999999\r\n", b"") + NEXT, [400]),
    "chunked twice": (post(b"Transfer-Encoding: chunked, chunked\r\n", CHUNKS) + NEXT, [400]),
    "chunked in two headers": (post(CHUNKED + CHUNKED, CHUNKS) + NEXT, [400]),
    "gzip and chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS) + NEXT, [400]),
    "another encoding": (post(b"Transfer-Encoding: identity\r\n", BODY) + NEXT, [400]),
    "chunks in HTTP/1.0": (post(CHUNKED, CHUNKS).replace(b"1.1", b"1.0") + NEXT, [400]),
    "bare line feeds": (post(LENGTH, BODY).replace(b"\r\n", b"\n") + NEXT, [400]),
    "a folded header": (get(b"A: b\r\n c\r\n") + NEXT, [400]),
    "a space before the colon": (get(b"A : b\r\n") + NEXT, [400]),
    "a NUL in a header": (get(b"A: b\0c\r\n") + NEXT, [400]),
    "no Host": (b"GET /livez HTTP/1.1\r\n\r\n" + NEXT, [400]),
    "two Hosts": (get(b"Host: y\r\n") + NEXT, [400]),
    "HTTP/2": (b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n" + NEXT, [400]),
    "no version": (b"GET /livez\r\n\r\n" + NEXT, [400]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
    "a wrong chunk size": (post(CHUNKED, b"zz\r\n" + BODY) + NEXT, [400]),
    "a chunk without its end": (post(CHUNKED, CHUNKS.replace(b"}\r\n", b"}XX")) + NEXT, [400]),
    "a good request, then a bad one": (NEXT + get(b"A : b\r\n") + NEXT, [200, 400]),
    "16 KiB of headers": (get(b"A: " + b"b" * 20_000 + b"\r\n"), [431]),
    "101 headers": (get(b"A: b\r\n" * 101), [431]),
    "a long target": (get(b"", b"/" + b"a" * 9000), [414]),
    "a very long target": (get(b"", b"/" + b"a" * 100_000), [414]),
    "a head that never ends": (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000, [431]),
    "long chunk extensions": (post(CHUNKED, b"1;" + b"a" * 400_000), [413]),
    "many tiny chunks": (post(CHUNKED, b"1\r\n \r\n" * 70_000), [413]),
    "endless trailers": (post(CHUNKED, CHUNKS[:-2] + b"A: b\r\n" * 100_000), [413]),
}
# After these, the connection stays open for the next request.
ACCEPTED = {
    "a length": (post(LENGTH, BODY) + NEXT, [200, 200]),
    "chunks": (post(CHUNKED, CHUNKS) + NEXT, [200, 200]),
    "a chunk extension": (post(CHUNKED, CHUNKS.replace(b"\r\n", b";a=b\r\n", 1)) + NEXT, [200, 200]),
    "a trailer": (post(CHUNKED, CHUNKS[:-2] + b"A: b\r\n\r\n") + NEXT, [200, 200]),
    "a wish to upgrade": (get(UPGRADE) + NEXT, [200, 200]),
    "a wish to upgrade with a body": (post(UPGRADE + LENGTH, BODY) + NEXT, [200, 200]),
    "a wish to upgrade with chunks": (post(UPGRADE + CHUNKED, CHUNKS) + NEXT, [200, 200]),
    "empty lines first": (b"\r\n\r\n" + NEXT, [200]),
    "forty requests at once": (NEXT * 40, [200] * 40),
    "an early answer": (b"POST /none HTTP/1.1\r\nHost: x\r\n" + LENGTH + b"\r\n" + BODY + NEXT, [404, 200]),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server(
        affine.DATA,
        DIFFEO_HEAD_SECONDS="1",
        DIFFEO_BODY_SECONDS="1",
        DIFFEO_WRITE_SECONDS="1",
        DIFFEO_KEEP_ALIVE_SECONDS="1",
        DIFFEO_MIN_BYTES_PER_SECOND="10000000",
        DIFFEO_MAX_MEMORY_BYTES="100000000",
    )
    yield running
    running.stop()


def port_of(server: Server) -> int:
    return urlsplit(server.url).port or 0


def exchange(server: Server, data: bytes, seconds: float = 30.0) -> tuple[list[int], bytes, bool]:
    """Send the bytes; the statuses of all responses, the bytes received, and whether the connection ended by itself."""
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=seconds) as connection:
        received, ended = b"", False
        try:
            connection.sendall(data)
            while not ended:
                part = connection.recv(65_536)
                received += part
                ended = not part
        except TimeoutError:
            pass
        except ConnectionError:
            ended = True
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)], received, ended


def resident_bytes(server: Server) -> int:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.parametrize("name", FRAMING)
def test_an_ambiguous_or_oversized_request_is_answered_once_and_the_connection_ends(server: Server, name: str) -> None:
    data, expected = FRAMING[name]
    statuses, received, ended = exchange(server, data)
    assert (statuses, ended) == (expected, True)
    document = json.loads(received.rpartition(b"\r\n\r\n")[2])
    assert document["status"] == expected[-1]
    assert document["type"].startswith("urn:diffeo:problem:")


@pytest.mark.parametrize(
    ("name", "problem"),
    [("no Host", "malformed-request"), ("101 headers", "head-too-large"), ("a long target", "target-too-long")],
)
def test_a_request_that_is_turned_away_unread_counts_in_the_metrics(server: Server, name: str, problem: str) -> None:
    def rejected() -> float:
        text = httpx.get(f"{server.url}/metrics").text
        return Scrape(text).of("diffeo_requests_rejected_total", problem=problem)

    before = rejected()
    exchange(server, FRAMING[name][0])
    assert rejected() == before + 1


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_valid_request_keeps_its_connection(server: Server, name: str) -> None:
    data, expected = ACCEPTED[name]
    assert exchange(server, data + b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0] == [
        *expected,
        200,
    ]


def test_a_head_without_end_costs_no_memory(server: Server) -> None:
    exchange(server, get(b"A: b\r\n" * 101))
    before = resident_bytes(server)
    for start in (b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"GET /livez HTTP/1.1\r\nHost: x\r\nA: ", b"GET /"):
        exchange(server, start + b"A: bcdefghi\r\n" * 1_000_000)
    assert resident_bytes(server) - before < 2_000_000


def test_every_kind_of_slow_connection_is_closed_by_its_deadline(server: Server) -> None:
    clients = {name: SlowClient.connect(port_of(server), kind) for name, kind in kinds("affine2d").items()}
    play([*clients.values()], 30)
    assert [name for name, client in clients.items() if client.closed_after is None] == []
    statuses = {name: re.findall(rb"HTTP/1\.1 (\d{3})", client.received) for name, client in clients.items()}
    assert statuses["silent"] == []
    assert statuses["head that stops"] == [b"408"]
    assert statuses["body that stops"] == [b"408"]
    assert statuses["body that stops, with a deadline"] == [b"504"]
    assert statuses["chunks, a byte at a time"] == [b"408"]
    assert statuses["v2 body that stops"] == [b"408"]
    assert statuses["idle after an answer"] == [b"200"]
    assert statuses["idle, then one byte"] == [b"200", b"408"]


def test_bodies_beyond_the_memory_budget_are_rejected_before_they_are_read(server: Server) -> None:
    held = b"POST /v2/models/affine2d/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port_of(server))) as first:
        first.sendall(held + b" " * 55_000_000)
        time.sleep(0.3)
        statuses, received, ended = exchange(server, held)
        assert (statuses, ended) == ([429], True)
        assert b"retry-after:" in received
        assert httpx.get(server.url + "/livez").status_code == 200
    time.sleep(0.5)
    # The first client has left, and with it what it held.
    assert exchange(server, held + b" " * 60_000_000)[0] == [400]


@pytest.mark.parametrize("framing", ["a length", "chunks"])
def test_a_client_that_sends_all_before_it_reads_receives_an_early_answer(server: Server, framing: str) -> None:
    body, part = b"a" * 90_000_000, b"a" * 1_000_000
    chunks = (b"%x\r\n" % len(part) + part + b"\r\n") * 90 + b"0\r\n\r\n"
    head = POST.replace(b"application/json", b"application/x-npy")
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    data = head + length + body if framing == "a length" else head + CHUNKED + b"\r\n" + chunks
    statuses, received, ended = exchange(server, data)
    assert (statuses, ended) == ([413], True)
    assert b"urn:diffeo:problem:too-large" in received


def test_a_client_that_waits_to_send_gets_the_final_answer_at_once(server: Server) -> None:
    head = b"POST /none HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
    statuses, _, ended = exchange(server, head)
    assert (statuses, ended) == ([404], True)


def test_health_checks_are_answered_when_there_are_too_many_connections() -> None:
    server = Server(affine.DATA, DIFFEO_MAX_CONNECTIONS="20", DIFFEO_HEAD_SECONDS="30")
    try:
        idle = [socket.create_connection(("127.0.0.1", port_of(server))) for _ in range(14)]
        for connection in idle:
            connection.sendall(NEXT)
        time.sleep(1.2)
        # Idle connections make room for new ones.
        assert httpx.get(server.url + "/models").status_code == 200
        attackers = [socket.create_connection(("127.0.0.1", port_of(server))) for _ in range(100)]
        for _ in range(20):
            assert httpx.get(server.url + "/livez").status_code == 200
        rejected = httpx.get(server.url + "/models")
        assert (rejected.status_code, rejected.headers["retry-after"]) == (503, "1")
        files = len([*Path(f"/proc/{server.process.pid}/fd").iterdir()])
        assert files < 100
        for connection in (*attackers, *idle):
            connection.close()
        time.sleep(0.5)
        assert httpx.get(server.url + "/models").status_code == 200
    finally:
        _, lines = server.stop()
    assert len([line for line in lines if line["level"] == "warning"]) < 10
