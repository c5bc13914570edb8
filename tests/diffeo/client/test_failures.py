"""Every failure of a service, a proxy or a connection is one error of diffeo.errors, or a retry."""

import functools
import itertools
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import numpy as np
import pytest

from diffeo import Client
from diffeo.bundle import npy
from diffeo.errors import DiffeoError, Problem, Unreachable
from tests.given.clients.sync_facade import Connect
from tests.given.servers.server_process import free_port

X = np.array([[1, -2], [3, 2]], np.float32)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ftp://host", "http://[::1", "http://host:port", ""])
def test_an_invalid_address_is_unreachable(address: str, connect: Connect) -> None:
    with pytest.raises(Unreachable, match=r"\w+"), connect(address) as client:
        client.models()


def test_an_address_without_a_service_is_unreachable(connect: Connect) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with connect(address) as client, pytest.raises(Unreachable, match=f"no service answers at {address}: "):
        client.models()


StartServer = Callable[[int, str, bytes], str]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts an HTTP server that sends one response to every request: status, media type, body. Returns its address."""
    servers: list[HTTPServer] = []

    def start(status: int, media_type: str, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(status)
                self.send_header("content-type", media_type)
                self.send_header("content-length", str(max(len(body), 1)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815  (the name that http.server calls)

            def log_message(self, *_: object) -> None:
                """Write nothing to the output of the tests."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


OTHER_SERVICES: dict[str, tuple[int, str, bytes]] = {
    "a web page": (200, "text/html", b"<html>"),
    "other JSON": (200, "application/json", b'{"hello": "world"}'),
    "a JSON list": (200, "application/json", b"[1, 2]"),
    "a response that is cut short": (200, "application/json", b""),
    "a redirect": (302, "text/html", b"<html>"),
}


@pytest.mark.parametrize("response", OTHER_SERVICES.values(), ids=OTHER_SERVICES.keys())
def test_the_response_of_another_service_is_unreachable(
    start_server: StartServer, response: tuple[int, str, bytes], connect: Connect
) -> None:
    with connect(start_server(*response)) as client:
        model = client.model("affine2d")
        transform = functools.partial(model.transform, X, "forward")
        log_prob = functools.partial(model.log_prob, X)
        for call in (client.models, lambda: model.columns, functools.partial(model.sample, 1), log_prob, transform):
            with pytest.raises(Unreachable, match=r"is not a diffeo service|no service answers"):
                call()


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"errors": 1}'])
def test_an_error_page_of_a_proxy_is_a_problem_with_its_status(
    start_server: StartServer, body: bytes, connect: Connect
) -> None:
    address = start_server(502, "text/html", body)
    with connect(address) as client, pytest.raises(Problem, match="HTTP 502") as raised:
        client.models()
    assert (raised.value.status, raised.value.field_errors) == (502, ())


def test_a_refused_version_has_no_columns(start_server: StartServer) -> None:
    body = json.dumps({"model": "m", "columns": None, "newest": None, "version": 1}).encode()
    with Client(start_server(200, "application/json", body)) as client:
        for version in (None, 1):
            with pytest.raises(DiffeoError, match="the service serves no such version of m; see GET /models/m"):
                _ = client.model("m", version).columns


def test_a_request_to_an_overloaded_service_is_retried_after_its_retry_after(connect: Connect) -> None:
    times: list[float] = []

    def overloaded_once(_: httpx.Request) -> httpx.Response:
        times.append(time.monotonic())
        if len(times) == 1:
            return httpx.Response(429, headers={"retry-after": "1"})
        return httpx.Response(200, content=npy.write(np.zeros((2, 2), np.float32)))

    with connect(transport=httpx.MockTransport(overloaded_once), retries=1) as client:
        assert client.model("m").sample(2).shape == (2, 2)
    assert times[1] - times[0] >= 1


class BrokenStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The bytes, and then a broken connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        raise httpx.ReadError("the connection is broken")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for data in self:
            yield data


def test_a_sample_continues_after_a_broken_connection(connect: Connect) -> None:
    whole = np.arange(40, dtype=np.float32).reshape(20, 2)
    requests: list[tuple[str, str]] = []
    lengths = itertools.chain([0, 130, 131, 140, 150], itertools.repeat(10**6))

    def breaking(request: httpx.Request) -> httpx.Response:
        start, count = int(request.url.params["start"]), int(request.url.params["num_samples"])
        requests.append((request.url.params["seed"], request.url.params["start"]))
        content = npy.write(whole[start : start + count])
        length = next(lengths)
        if length > len(content):
            return httpx.Response(200, content=content)
        return httpx.Response(200, stream=BrokenStream(content[:length]))

    with connect(transport=httpx.MockTransport(breaking), retries=5) as client:
        blocks = list(client.model("m").iter_samples(20, rows=3))
    assert np.concatenate(blocks).tobytes() == whole.tobytes()
    assert len({seed for seed, _ in requests}) == 1
    assert len({start for _, start in requests}) > 2
