"""The client gives the numbers of the service as arrays, and every failure as one error of its own."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import affine
import numpy as np
import pytest
from process import free_port

from bundle import base
from diffeo.client import Client, RemoteModel
from diffeo.errors import DiffeoError, Problem, Unreachable
from diffeo.local import open_model

X = np.array([[1, -2], [3, 2], [np.nan, 0]], np.float32)
PARTS = ("x", "log_prob", "z")


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


@pytest.fixture(scope="module")
def model(client: Client) -> RemoteModel:
    return client.model("affine2d")


def test_the_service_says_which_models_it_has(client: Client, model: RemoteModel) -> None:
    assert client.models() == ["affine2d"]
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


def test_a_sample_is_the_one_that_its_seed_names_and_start_pages_through_it(model: RemoteModel) -> None:
    whole = model.sample(10, seed=7)
    np.testing.assert_allclose(whole, affine.inverse(base.draw(7, 0, 10, 2)), rtol=1e-6)
    pages = [model.sample(5, seed=7, start=start) for start in (0, 5)]
    assert np.concatenate(pages).tobytes() == whole.tobytes()
    np.testing.assert_allclose(model.sample(4, seed=7, temperature=2.0), affine.inverse(2 * base.draw(7, 0, 4, 2)))
    assert model.sample(3).shape == (3, 2)


def test_a_remote_model_and_a_local_one_are_the_same_density(model: RemoteModel) -> None:
    local = open_model(affine.DATA, "affine2d", None)
    drawn = [density.draw(50, seed=3, start=9, temperature=0.5, parts=PARTS) for density in (model, local)]
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
    assert [pointer for pointer, _ in told.value.faults] == ["/x/0"]
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
def test_what_is_no_address_is_unreachable(address: str) -> None:
    with pytest.raises(Unreachable, match=r"\w+"):
        Client(address).models()


def test_a_service_that_is_not_there_is_unreachable() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with Client(address) as client, pytest.raises(Unreachable, match=f"no service answers at {address}: "):
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
def test_an_answer_of_another_service_is_not_taken_for_ours(impostor: Impostor, answer: tuple[int, str, bytes]) -> None:
    with Client(impostor(*answer)) as client:
        model = client.model("affine2d")
        for ask in (client.models, lambda: model.columns, lambda: model.sample(1), lambda: model.log_prob(X)):
            with pytest.raises(Unreachable, match=r"is not this service|no service answers"):
                ask()


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"errors": 1}'])
def test_an_error_page_of_a_proxy_is_a_problem_with_its_status(impostor: Impostor, body: bytes) -> None:
    with Client(impostor(502, "text/html", body)) as client, pytest.raises(Problem, match="HTTP 502") as told:
        client.models()
    assert (told.value.status, told.value.faults) == (502, ())


def test_a_version_that_was_refused_has_no_columns_to_ask_for(impostor: Impostor) -> None:
    body = json.dumps({"model": "m", "columns": None, "newest": None, "dtype": None}).encode()
    with Client(impostor(200, "application/json", body)) as client:
        for version in (None, 1):
            with pytest.raises(DiffeoError, match="no such version of m is served; GET /models/m says why"):
                _ = client.model("m", version).columns


def test_rows_without_an_answer_are_nan(impostor: Impostor) -> None:
    shape = {"columns": ["a", "b"], "dtype": "float64"}
    answer = {"newest": shape, "x": [[0.1, 2], None], "log_prob": [0.1, None], "z": [[1, 2], None]}
    with Client(impostor(200, "application/json", json.dumps(answer).encode())) as client:
        drawn = client.model("m").draw(2, seed=1, start=0, temperature=1.0, parts=PARTS)
    assert drawn["x"].dtype == np.float64
    np.testing.assert_array_equal(drawn["x"], [[0.1, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(drawn["log_prob"], np.array([0.1, np.nan], np.float32))
    np.testing.assert_array_equal(drawn["z"], np.array([[1, 2], [np.nan, np.nan]], np.float32))
