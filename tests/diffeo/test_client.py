"""The client gives the numbers of the service as arrays, and every failure as one error of its own."""

import functools
import itertools
import json
import pickle
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import numpy as np
import pytest

from diffeo import Client
from diffeo.bundle import base, npy
from diffeo.client.client import RemoteModel
from diffeo.errors import DiffeoError, Problem, Unreachable, WrongTable
from diffeo.local.model import open_model
from tests.given.clients.sync_facade import CLIENTS
from tests.given.flows import affine
from tests.given.servers.server_process import free_port

X = np.array([[1, -2], [3, 2], [np.nan, 0]], np.float32)
PARTS = ("x", "log_prob", "z")


@pytest.fixture(scope="module", params=CLIENTS.values(), ids=CLIENTS.keys())
def client(url: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    with request.param(url) as client:
        yield client


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS.keys())
def connect(request: pytest.FixtureRequest) -> Callable[..., Client]:
    """A client of either kind that gives up at once."""
    return functools.partial(request.param, retries=0)


@pytest.fixture(scope="module")
def model(client: Client) -> RemoteModel:
    return client.model("affine2d")


def test_the_service_says_which_models_it_has(client: Client, model: RemoteModel) -> None:
    assert client.models() == ["affine2d"]
    assert model.describe()["newest"] == client.model("affine2d", 1).describe()
    assert model.columns == client.model("affine2d", 1).columns == ("height", "weight")


def test_log_prob_is_a_vector_with_nan_where_a_row_is_invalid(model: RemoteModel) -> None:
    values = model.log_prob(X)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, affine.log_prob(X), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_forward_and_inverse_undo_each_other(model: RemoteModel, dtype: type[np.floating]) -> None:
    z = model.forward(X[:2].astype(dtype))
    np.testing.assert_allclose(z, affine.forward(X[:2]), rtol=1e-6)
    np.testing.assert_allclose(model.inverse(z), X[:2], rtol=1e-6)


def test_rows_that_are_no_table_are_told_before_they_are_sent(model: RemoteModel) -> None:
    for rows, words in (
        ([1.0, 2.0], r"shape \(2,\); expected \(rows, columns\)"),
        ([["a", "b"]], "no table of numbers"),
    ):
        with pytest.raises(WrongTable, match=words):
            model.log_prob(rows)


def test_a_sample_is_the_one_that_its_seed_names_and_start_pages_through_it(model: RemoteModel) -> None:
    whole = model.sample(10, seed=7)
    np.testing.assert_allclose(whole, affine.inverse(base.draw(7, 0, 10, 2)), rtol=1e-6)
    pages = [model.sample(5, seed=7, start=start) for start in (0, 5)]
    assert np.concatenate(pages).tobytes() == whole.tobytes()
    np.testing.assert_allclose(model.sample(4, seed=7, temperature=2.0), affine.inverse(2 * base.draw(7, 0, 4, 2)))
    assert model.sample(3).shape == (3, 2)


def test_a_sample_in_arrays_is_the_sample(model: RemoteModel) -> None:
    whole = model.sample(100_000, seed=7, start=5)
    parts = list(model.iter_samples(100_000, seed=7, start=5, rows=30_000))
    assert [len(part) for part in parts] == [30_000, 30_000, 30_000, 10_000]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert all(part.flags.writeable for part in parts)


def test_who_has_enough_of_a_sample_leaves_it(model: RemoteModel) -> None:
    first = next(model.iter_samples(5_000_000, seed=7, rows=10))
    assert first.tobytes() == model.sample(10, seed=7).tobytes()


def test_a_sample_comes_with_its_density(model: RemoteModel) -> None:
    x, nats = model.sample_and_log_prob(1000, seed=7)
    assert x.tobytes() == model.sample(1000, seed=7).tobytes()
    np.testing.assert_allclose(nats, model.log_prob(x), atol=1e-4)


def test_a_sample_without_a_seed_is_another_one_each_time(model: RemoteModel) -> None:
    assert model.sample(3).tobytes() != model.sample(3).tobytes()


def test_a_remote_model_and_a_local_one_are_the_same_density(model: RemoteModel) -> None:
    local = open_model(affine.DATA, "affine2d", None)
    drawn = [density.draw(50, seed=3, start=9, temperature=0.5, outputs=PARTS) for density in (model, local)]
    for part in PARTS:
        assert drawn[0][part].dtype == drawn[1][part].dtype
        assert drawn[0][part].tobytes() == drawn[1][part].tobytes()
    assert model.log_prob(X).tobytes() == local.log_prob(X).tobytes()
    for direction in ("forward", "inverse"):
        for there, here in zip(model.transform(X, direction), local.transform(X, direction), strict=True):
            assert there.tobytes() == here.tobytes()


def test_a_problem_keeps_what_the_service_said_of_it(client: Client, model: RemoteModel) -> None:
    with pytest.raises(Problem, match="rows of x have 3 numbers; this model takes 2: height, weight") as told:
        model.log_prob(np.ones((1, 3)))
    assert (told.value.status, told.value.type) == (422, "urn:diffeo:problem:invalid-request")
    assert [pointer for pointer, _ in told.value.field_errors] == ["/x/0"]
    assert len(told.value.request_id) == 16
    with pytest.raises(Problem, match="no model of that name; there is: affine2d"):
        client.model("moons").sample(1)
    with pytest.raises(Problem, match="affine2d has no version 9"):
        client.model("affine2d", 9).log_prob(X)


@pytest.mark.parametrize("name", ["../livez", "..", "../docs", "a/b", "affine2d?x", "affine2d#x", "é", "a b"])
def test_a_name_never_reaches_another_path(client: Client, name: str) -> None:
    with pytest.raises(Problem) as told:
        _ = client.model(name).columns
    assert told.value.status == 404


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ftp://host", "http://[::1", "http://host:port", ""])
def test_what_is_no_address_is_unreachable(address: str, connect: Callable[..., Client]) -> None:
    with pytest.raises(Unreachable, match=r"\w+"), connect(address) as client:
        client.models()


def test_a_service_that_is_not_there_is_unreachable(connect: Callable[..., Client]) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with connect(address) as client, pytest.raises(Unreachable, match=f"no service answers at {address}: "):
        client.models()


Impostor = Callable[[int, str, bytes], str]


@pytest.fixture
def impostor() -> Iterator[Impostor]:
    """A server that gives one answer to everything: its status, its type, its body."""
    servers: list[HTTPServer] = []

    def start(status: int, kind: str, body: bytes) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(max(len(body), 1)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815  (the names that http.server calls)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


STRANGERS: dict[str, tuple[int, str, bytes]] = {
    "a web page": (200, "text/html", b"<html>"),
    "other JSON": (200, "application/json", b'{"hello": "world"}'),
    "a JSON list": (200, "application/json", b"[1, 2]"),
    "an answer cut short": (200, "application/json", b""),
    "a redirect": (302, "text/html", b"<html>"),
}


@pytest.mark.parametrize("answer", STRANGERS.values(), ids=STRANGERS.keys())
def test_an_answer_of_another_service_is_not_taken_for_ours(
    impostor: Impostor, answer: tuple[int, str, bytes], connect: Callable[..., Client]
) -> None:
    with connect(impostor(*answer)) as client:
        model = client.model("affine2d")
        both = functools.partial(model.transform, X, "forward")
        one = functools.partial(model.log_prob, X)
        for ask in (client.models, lambda: model.columns, functools.partial(model.sample, 1), one, both):
            with pytest.raises(Unreachable, match=r"is not this service|no service answers"):
                ask()


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"errors": 1}'])
def test_an_error_page_of_a_proxy_is_a_problem_with_its_status(
    impostor: Impostor, body: bytes, connect: Callable[..., Client]
) -> None:
    with connect(impostor(502, "text/html", body)) as client, pytest.raises(Problem, match="HTTP 502") as told:
        client.models()
    assert (told.value.status, told.value.field_errors) == (502, ())


def test_a_version_that_was_refused_has_no_columns_to_ask_for(impostor: Impostor) -> None:
    body = json.dumps({"model": "m", "columns": None, "newest": None, "version": 1}).encode()
    with Client(impostor(200, "application/json", body)) as client:
        for version in (None, 1):
            with pytest.raises(DiffeoError, match="no such version of m is served; GET /models/m says why"):
                _ = client.model("m", version).columns


Handler = Callable[[httpx.Request], httpx.Response]


def handed(handler: Handler) -> httpx.MockTransport:
    return httpx.MockTransport(handler)


def test_a_service_that_is_busy_is_asked_again_when_it_said(connect: Callable[..., Client]) -> None:
    times: list[float] = []

    def busy(_: httpx.Request) -> httpx.Response:
        times.append(time.monotonic())
        if len(times) == 1:
            return httpx.Response(429, headers={"retry-after": "1"})
        return httpx.Response(200, content=npy.write(np.zeros((2, 2), np.float32)))

    with connect(transport=handed(busy), retries=1) as client:
        assert client.model("m").sample(2).shape == (2, 2)
    assert times[1] - times[0] >= 1


class Cut(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The bytes, and then a dead line."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        raise httpx.ReadError("the line is dead")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def test_a_sample_whose_line_dies_goes_on_where_it_was(connect: Callable[..., Client]) -> None:
    whole = np.arange(40, dtype=np.float32).reshape(20, 2)
    asked: list[tuple[str, str]] = []
    lengths = itertools.chain([0, 130, 131, 140, 150], itertools.repeat(10**6))

    def dying(request: httpx.Request) -> httpx.Response:
        start, count = int(request.url.params["start"]), int(request.url.params["num_samples"])
        asked.append((request.url.params["seed"], request.url.params["start"]))
        content = npy.write(whole[start : start + count])
        length = next(lengths)
        return (
            httpx.Response(200, content=content)
            if length > len(content)
            else httpx.Response(200, stream=Cut(content[:length]))
        )

    with connect(transport=handed(dying), retries=5) as client:
        parts = list(client.model("m").iter_samples(20, rows=3))
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert len({seed for seed, _ in asked}) == 1
    assert len({start for _, start in asked}) > 2


def test_what_a_proxy_wants_to_see_goes_with_every_request(connect: Callable[..., Client]) -> None:
    def guarded(request: httpx.Request) -> httpx.Response:
        known = request.headers.get("authorization") == "Bearer of news"
        return httpx.Response(200, json={"models": []}) if known else httpx.Response(401)

    with connect(transport=handed(guarded), headers={"authorization": "Bearer of news"}) as client:
        assert client.models() == []
    with connect(transport=handed(guarded)) as client, pytest.raises(Problem, match="HTTP 401"):
        client.models()


def test_a_model_goes_to_another_process_as_itself(url: str) -> None:
    with Client(url) as client:
        again = pickle.loads(pickle.dumps(client.model("affine2d", 1, "float32")))  # noqa: S301  (our own bytes)
        assert again.sample(5, seed=7).tobytes() == client.model("affine2d").sample(5, seed=7).tobytes()
        again._client.close()  # noqa: SLF001  (it has no other door)
    with (
        Client(transport=handed(lambda _: httpx.Response(200))) as client,
        pytest.raises(TypeError, match="of its own"),
    ):
        pickle.dumps(client.model("m"))
