"""Both clients give the numbers of the service as arrays."""

import pickle

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from diffeo import Client
from diffeo.bundle import base
from diffeo.density import Direction, Output
from diffeo.errors import InvalidApiKey, Problem, WrongTable
from diffeo.local.model import open_model
from tests.given.clients.sync_facade import AnyClient, AnyModel, Connect
from tests.given.flows import affine

X = np.array([[1, -2], [3, 2], [np.nan, 0]], np.float32)
OUTPUTS: tuple[Output, ...] = ("x", "log_prob", "z")
DIRECTIONS: tuple[Direction, ...] = ("forward", "inverse")


def test_the_service_lists_and_describes_its_models(client: AnyClient, model: AnyModel) -> None:
    assert client.models() == ["affine2d"]
    assert model.describe()["newest"] == client.model("affine2d", 1).describe()
    assert model.columns == client.model("affine2d", 1).columns == ("height", "weight")


def test_log_prob_is_a_vector_with_nan_for_an_invalid_row(model: AnyModel) -> None:
    values = model.log_prob(X)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, affine.log_prob(X), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_inverse_undoes_forward(model: AnyModel, dtype: npt.DTypeLike) -> None:
    z = model.forward(np.asarray(X[:2], dtype))
    np.testing.assert_allclose(z, affine.forward(X[:2]), rtol=1e-6)
    np.testing.assert_allclose(model.inverse(z), X[:2], rtol=1e-6)


@pytest.mark.parametrize(
    ("rows", "words"),
    [([1.0, 2.0], r"shape \(2,\); expected \(rows, columns\)"), ([["a", "b"]], "no table of numbers")],
    ids=["a vector", "text"],
)
def test_rows_that_are_not_a_table_of_numbers_are_an_error_before_they_are_sent(
    model: AnyModel, rows: npt.ArrayLike, words: str
) -> None:
    with pytest.raises(WrongTable, match=words):
        model.log_prob(rows)


def test_a_seed_names_one_endless_sample_and_start_is_the_first_row_of_it(model: AnyModel) -> None:
    whole = model.sample(10, seed=7)
    np.testing.assert_allclose(whole, affine.inverse(base.draw(7, 0, 10, 2)), rtol=1e-6)
    halves = [model.sample(5, seed=7, start=start) for start in (0, 5)]
    assert np.concatenate(halves).tobytes() == whole.tobytes()
    np.testing.assert_allclose(model.sample(4, seed=7, temperature=2.0), affine.inverse(2 * base.draw(7, 0, 4, 2)))
    assert model.sample(3).shape == (3, 2)


def test_iter_samples_gives_the_rows_of_sample_in_writable_blocks(model: AnyModel) -> None:
    whole = model.sample(100_000, seed=7, start=5)
    blocks = list(model.iter_samples(100_000, seed=7, start=5, rows=30_000))
    assert [len(block) for block in blocks] == [30_000, 30_000, 30_000, 10_000]
    assert np.concatenate(blocks).tobytes() == whole.tobytes()
    assert all(block.flags.writeable for block in blocks)


def test_a_caller_may_stop_after_the_first_block(model: AnyModel) -> None:
    first = next(model.iter_samples(5_000_000, seed=7, rows=10))
    assert first.tobytes() == model.sample(10, seed=7).tobytes()


def test_sample_and_log_prob_gives_the_sample_and_its_density(model: AnyModel) -> None:
    x, nats = model.sample_and_log_prob(1000, seed=7)
    assert x.tobytes() == model.sample(1000, seed=7).tobytes()
    np.testing.assert_allclose(nats, model.log_prob(x), atol=1e-4)


def test_samples_without_a_seed_differ(model: AnyModel) -> None:
    assert model.sample(3).tobytes() != model.sample(3).tobytes()


def test_a_remote_model_and_a_local_one_are_the_same_density(model: AnyModel) -> None:
    local = open_model(affine.DATA, "affine2d", None)
    remote_sample, local_sample = (
        density.draw(50, seed=3, start=9, temperature=0.5, outputs=OUTPUTS) for density in (model, local)
    )
    for output in OUTPUTS:
        assert remote_sample[output].dtype == local_sample[output].dtype
        assert remote_sample[output].tobytes() == local_sample[output].tobytes()
    assert model.log_prob(X).tobytes() == local.log_prob(X).tobytes()
    for direction in DIRECTIONS:
        for ours, theirs in zip(model.transform(X, direction), local.transform(X, direction), strict=True):
            assert ours.tobytes() == theirs.tobytes()


def test_a_problem_carries_status_type_fields_and_request_id_of_the_response(
    client: AnyClient, model: AnyModel
) -> None:
    with pytest.raises(Problem, match="rows of x have 3 numbers; this model takes 2: height, weight") as raised:
        model.log_prob(np.ones((1, 3)))
    assert (raised.value.status, raised.value.type) == (422, "urn:diffeo:problem:invalid-request")
    assert [pointer for pointer, _ in raised.value.field_errors] == ["/x/0"]
    assert len(raised.value.request_id) == 16
    with pytest.raises(Problem, match="no model of that name; there is: affine2d"):
        client.model("moons").sample(1)
    with pytest.raises(Problem, match="affine2d has no version 9"):
        client.model("affine2d", 9).log_prob(X)


@pytest.mark.parametrize("name", ["../livez", "..", "../docs", "a/b", "affine2d?x", "affine2d#x", "é", "a b"])
def test_a_model_name_never_reaches_another_path(client: AnyClient, name: str) -> None:
    with pytest.raises(Problem) as raised:
        _ = client.model(name).columns
    assert raised.value.status == 404


def key_of(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"models": [{"model": request.headers.get("x-api-key", "none")}]})


def test_the_api_key_is_that_of_the_argument_or_of_the_variable(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = httpx.MockTransport(key_of)
    with connect(transport=transport) as client:
        assert client.models() == ["none"]
    monkeypatch.setenv("DIFFEO_API_KEY", "of-the-variable\n")
    with connect(transport=transport) as client:
        assert client.models() == ["of-the-variable"]
    with connect(transport=transport, api_key="of-the-argument") as client:
        assert client.models() == ["of-the-argument"]


@pytest.mark.parametrize("key", ["a b", "é", "a\nb", "a\x00"])
def test_an_api_key_that_no_service_gives_is_an_error(connect: Connect, key: str) -> None:
    with pytest.raises(InvalidApiKey, match="holds a character that no key has"), connect(api_key=key):
        pass


def test_a_client_in_another_process_has_the_api_key_too() -> None:
    with Client("http://127.0.0.1:1", api_key="abc") as client:
        rebuild, arguments = client.__reduce__()
    assert (rebuild.keywords["api_key"], arguments) == ("abc", ())


def test_the_given_headers_are_sent_with_every_request(connect: Connect) -> None:
    def proxy(request: httpx.Request) -> httpx.Response:
        allowed = request.headers.get("authorization") == "Bearer of news"
        return httpx.Response(200, json={"models": []}) if allowed else httpx.Response(401)

    transport = httpx.MockTransport(proxy)
    with connect(transport=transport, headers={"authorization": "Bearer of news"}) as client:
        assert client.models() == []
    with connect(transport=transport) as client, pytest.raises(Problem, match="HTTP 401"):
        client.models()


def test_a_pickled_model_works_in_another_process_unless_its_transport_is_special(url: str) -> None:
    with Client(url) as client:
        copy = pickle.loads(pickle.dumps(client.model("affine2d", 1, "float32")))  # noqa: S301  (our own bytes)
        assert copy.sample(5, seed=7).tobytes() == client.model("affine2d").sample(5, seed=7).tobytes()
        copy._client.close()  # noqa: SLF001  (nothing public closes the client of a copied model)
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    with Client(transport=transport) as client, pytest.raises(TypeError, match="a client with a transport argument"):
        pickle.dumps(client.model("m"))
