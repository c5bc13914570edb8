"""Inference with the four protocol models of a flow: the answers of the native operations, as JSON and as bytes."""

import asyncio
import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.bundle import base
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.service.settings import Settings
from tests.given.clients import v2_client as v2
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.servers.gated_service import SECONDS, GatedService

X = np.array([[3.0, 2.0], [0.5, -1.0], [1.0, -2.0]])
Z = base.draw(7, 5, 3, 2)
ROWS = len(X)
PROTOCOL_MODELS: dict[str, tuple[str, npt.ArrayLike, dict[str, np.ndarray]]] = {
    "affine2d": ("x", X, {"log_prob": affine.log_prob(X)}),
    "affine2d.forward": ("x", X, {"z": affine.forward(X), LOG_ABS_DET_JACOBIAN: np.full(ROWS, affine.LADJ)}),
    "affine2d.inverse": ("z", X, {"x": affine.inverse(X), LOG_ABS_DET_JACOBIAN: np.full(ROWS, -affine.LADJ)}),
    "affine2d.sample": ("num_samples", [ROWS], {
        "x": affine.inverse(Z), "log_prob": affine.log_prob(affine.inverse(Z)), "z": Z
    }),
}  # fmt: skip
SEEDED = {"seed": 7, "start": 5}


def request(model: str, *, binary: bool, **more: object) -> v2.RequestBody:
    name, values, _ = PROTOCOL_MODELS[model]
    datatype = "INT64" if name == "num_samples" else "FP32"
    parameters = {**(SEEDED if name == "num_samples" else {}), "binary_data_output": binary}
    return v2.body(v2.tensor(name, values, datatype, binary=binary), **{"parameters": parameters, **more})


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("model", PROTOCOL_MODELS)
def test_every_protocol_model_gives_the_answers_known_by_hand(app: App, model: str, *, binary: bool) -> None:
    answer = v2.infer(app, model, request(model, binary=binary))
    assert (answer.head["model_name"], answer.head["model_version"]) == (model, "1")
    assert list(answer.tensors) == list(PROTOCOL_MODELS[model][2])
    for name, tensor in answer.tensors.items():
        np.testing.assert_allclose(tensor, PROTOCOL_MODELS[model][2][name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("model", PROTOCOL_MODELS)
def test_each_output_can_be_requested_alone(app: App, model: str, *, binary: bool) -> None:
    whole = v2.infer(app, model, request(model, binary=True)).tensors
    for name in whole:
        outputs = [{"name": name, "parameters": {"binary_data": binary}}]
        alone = v2.infer(app, model, request(model, binary=False, outputs=outputs)).tensors
        assert list(alone) == [name]
        np.testing.assert_array_equal(alone[name], whole[name])


def test_the_answer_equals_that_of_the_native_operation_bit_for_bit(app: App) -> None:
    answered = v2.infer(app, "affine2d", request("affine2d", binary=True)).tensors["log_prob"]
    native = app.post("/log_prob", json={"x": X.tolist()}).json()
    np.testing.assert_array_equal(answered, np.float32(native["log_prob"]))


def test_a_path_can_name_the_version_and_the_response_repeats_the_id(app: App) -> None:
    sent = request("affine2d", binary=True, id="a:1")
    response = app.post("/v2/models/affine2d/versions/1/infer", content=sent.content, headers=sent.headers)
    assert v2.parse_answer(response).head["id"] == "a:1"
    assert "id" not in v2.infer(app, "affine2d", request("affine2d", binary=True)).head


@pytest.mark.parametrize("rows", [1, 3])
def test_a_raw_body_is_rows_of_the_datatype_of_the_model(app: App, rows: int) -> None:
    sent = v2.RequestBody(np.float32(X[:rows]).tobytes(), {v2.LENGTH: "0"})
    np.testing.assert_allclose(
        v2.infer(app, "affine2d", sent).tensors["log_prob"], affine.log_prob(X[:rows]), rtol=1e-5
    )


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_the_json_length_of_a_compressed_body_is_its_length_before_compression(
    app: App, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    sent = request("affine2d", binary=True)
    packed = v2.RequestBody(pack(sent.content), sent.headers)
    answer = v2.infer(app, "affine2d", packed, **{"content-encoding": encoding})
    np.testing.assert_allclose(answer.tensors["log_prob"], affine.log_prob(X), rtol=1e-5)


def test_rows_can_be_float64(app: App) -> None:
    for binary in (True, False):
        sent = v2.body(v2.tensor("x", X, "FP64", binary=binary))
        np.testing.assert_allclose(v2.infer(app, "affine2d", sent).tensors["log_prob"], affine.log_prob(X), rtol=1e-5)


def test_a_request_without_rows_gets_an_empty_answer(app: App) -> None:
    for model, (name, _, outputs) in PROTOCOL_MODELS.items():
        if name == "num_samples":
            continue
        for binary in (True, False):
            sent = v2.body(v2.tensor(name, np.zeros((0, 2)), binary=binary), parameters={"binary_data_output": binary})
            answer = v2.infer(app, model, sent)
            assert {one: len(tensor) for one, tensor in answer.tensors.items()} == dict.fromkeys(outputs, 0)


@pytest.mark.parametrize("binary", [True, False])
def test_a_row_that_is_not_finite_is_nan_or_null_and_counted(app: App, *, binary: bool) -> None:
    rows = np.array([[1, math.nan], [3, 2], [math.inf, 0]])
    sent = v2.body(v2.tensor("x", rows, binary=binary), parameters={"binary_data_output": binary})
    answer = v2.infer(app, "affine2d.forward", sent)
    assert answer.head["parameters"] == {"invalid_rows": 2}
    z = answer.tensors["z"]
    assert np.isnan(z[[0, 2]]).all()
    np.testing.assert_allclose(z[1], affine.forward(rows[1]), rtol=1e-5)
    assert "parameters" not in v2.infer(app, "affine2d.forward", request("affine2d.forward", binary=binary)).head


def test_the_seed_in_the_response_draws_the_same_rows_again(app: App) -> None:
    first = v2.infer(app, "affine2d.sample", v2.body(v2.tensor("num_samples", [2], "INT64")))
    facts = first.head["parameters"]
    assert set(facts) == {"seed", "start", "next_start"}
    again = v2.body(parameters={"num_samples": 2, "seed": facts["seed"]})
    np.testing.assert_array_equal(v2.infer(app, "affine2d.sample", again).tensors["x"], first.tensors["x"])


def test_a_sample_can_have_a_temperature(app: App) -> None:
    sent = v2.body(parameters={"num_samples": 3, **SEEDED, "temperature": 0.5, "binary_data_output": True})
    answer = v2.infer(app, "affine2d.sample", sent)
    np.testing.assert_allclose(answer.tensors["z"], Z / 2, rtol=1e-6)
    assert answer.head["parameters"]["temperature"] == 0.5


def test_a_large_request_gets_the_same_answer_as_a_small_one(app: App) -> None:
    rows = np.random.default_rng(0).standard_normal((20_000, 2)).astype(np.float32)
    for binary in (True, False):
        sent = v2.body(v2.tensor("x", rows, binary=binary), parameters={"binary_data_output": binary})
        answer = v2.infer(app, "affine2d.forward", sent)
        np.testing.assert_allclose(answer.tensors["z"], affine.forward(rows), rtol=1e-4, atol=1e-6)


def error(app: App, sent: v2.RequestBody, model: str = "affine2d", **headers: str) -> tuple[int, str]:
    path = f"/v2/models/{model}/infer"
    return v2.error(app.post(path, content=sent.content, headers={**sent.headers, **headers}))


def one_row(**parameters: object) -> v2.RequestBody:
    return v2.body(v2.tensor("x", X[:1]), parameters=parameters)


WRONG_REQUESTS: dict[str, tuple[str, v2.RequestBody, int, str]] = {
    "no such model": ("moons", one_row(), 404, "no model of that name; there is: affine2d"),
    "no such protocol model": ("affine2d.mode", one_row(), 404, "each flow is served as NAME, NAME.sample"),
    "a dot too many": ("affine2d.", one_row(), 404, "no model of that name"),
    "no name before the dot": (".sample", one_row(), 404, "no model of that name"),
    "no such version": ("affine2d/versions/2", one_row(), 404, "affine2d has no version 2; it has 1"),
    "no version": ("affine2d/versions/one", one_row(), 404, "a version is a whole number"),
    "a long version": (f"affine2d/versions/{'9' * 5000}", one_row(), 404, "a version is a whole number"),
    "no precision": (
        "affine2d",
        one_row(precision="int8"),
        404,
        "not served in that precision; it is served in: float32",
    ),
    "a precision that is no name": ("affine2d", one_row(precision=8), 400, "precision must be a name"),
    "no JSON": ("affine2d", v2.RequestBody(b"{", {}), 400, "the body is not JSON"),
    "the input of another model": ("affine2d.inverse", one_row(), 400, "input 'x' is unknown; this model has z"),
    "another width": ("affine2d", v2.body(v2.tensor("x", [[1, 2, 3]])), 400, "input x has shape [1, 3]"),
    "an unknown parameter": (
        "affine2d",
        one_row(seeds=1),
        400,
        "parameter 'seeds' is unknown; this model takes on_invalid",
    ),
    "a direction": ("affine2d", one_row(direction="inverse"), 400, "parameter 'direction' is unknown"),
    "the model in a parameter": ("affine2d", one_row(model="m"), 400, "parameter 'model' is unknown"),
    "a long parameter": ("affine2d", one_row(**{"A" * 5000: 1}), 400, "is unknown; this model takes on_invalid"),
    "a timeout that is no time": ("affine2d", one_row(timeout=1.5), 400, "timeout must be a whole number"),
    "a timeout that has passed": ("affine2d", one_row(timeout=-1), 400, "timeout must be a whole number"),
    "rows that may not be invalid": (
        "affine2d", v2.body(v2.tensor("x", [[1, math.nan]]), parameters={"on_invalid": "error"}), 400,
        "1 of 1 rows have no finite answer",
    ),
    "no samples": ("affine2d.sample", v2.body(v2.tensor("num_samples", [0], "INT64")), 400, "num_samples must be"),
    "samples twice": (
        "affine2d.sample", v2.body(v2.tensor("num_samples", [1], "INT64"), parameters={"num_samples": 1}), 400,
        "num_samples is given as an input and as a parameter",
    ),
    "a seed in words": ("affine2d.sample", v2.body(parameters={"seed": "7"}), 400, "seed must be a whole number"),
    "very many samples": ("affine2d.sample", v2.body(parameters={"num_samples": 10**7}), 413, "page with start"),
    "more samples than there are": ("affine2d.sample", v2.body(parameters={"num_samples": 10**9}), 413, "the limit is"),
}  # fmt: skip


@pytest.mark.parametrize(("model", "sent", "status", "sentence"), WRONG_REQUESTS.values(), ids=WRONG_REQUESTS.keys())
def test_a_wrong_request_gets_its_status_and_its_sentence(
    app: App, model: str, sent: v2.RequestBody, status: int, sentence: str
) -> None:
    got, message = error(app, sent, model)
    assert got == status
    assert sentence in message
    assert "A" * 70 not in message


def test_a_body_that_cannot_be_decompressed_is_an_error(app: App) -> None:
    sent = one_row()
    packed = gzip.compress(sent.content)
    assert error(app, sent, **{"content-encoding": "gzip"}) == (400, "the body is not gzip")
    assert error(app, v2.RequestBody(packed[:-1], {}), **{"content-encoding": "gzip"})[0] == 400
    status, sentence = error(app, sent, **{"content-encoding": "br"})
    assert (status, "gzip, deflate" in sentence) == (415, True)


def test_rows_and_bytes_above_the_limits_are_rejected() -> None:
    with App(Settings(models=affine.DATA, max_rows=2, max_body_bytes=5000)) as small:
        assert error(small, v2.body(v2.tensor("x", X)))[0] == 413
        assert error(small, v2.RequestBody(bytes(5001), {}))[0] == 413
        bomb = v2.RequestBody(gzip.compress(bytes(10**6)), {})
        assert error(small, bomb, **{"content-encoding": "gzip"})[0] == 413


def test_an_unexpected_error_has_the_form_of_other_errors(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("/opt/secret")

    monkeypatch.setattr("diffeo.service.routes.v2.infer.v2_response.encode", broken)
    status, sentence = error(app, one_row())
    assert status == 500
    assert "secret" not in sentence


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[GatedService]:
    running = GatedService(monkeypatch)
    yield running
    running.gate.set()


def post(client: httpx.AsyncClient, rows: int, **parameters: object) -> "asyncio.Task[httpx.Response]":
    sent = v2.body(v2.tensor("x", np.zeros((rows, 2)), binary=True), parameters=parameters)
    return asyncio.ensure_future(client.post("/v2/models/affine2d/infer", content=sent.content, headers=sent.headers))


def test_the_queue_is_shared_with_the_native_operations(service: GatedService) -> None:
    async def main() -> httpx.Response:
        async with service.client() as client:
            first = []
            for _ in range(3):
                first.append(asyncio.ensure_future(client.post("/log_prob", json={"x": [[0, 0]] * 8})))
                for _ in range(20):
                    await asyncio.sleep(0)
            # Four rows are in the engine and twenty are queued, so eight more rows exceed the limit.
            refused = await post(client, 8)
            service.gate.set()
            assert [response.status_code for response in await asyncio.gather(*first)] == [200] * 3
            return refused

    response = asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert v2.error(response)[0] == 429
    assert int(response.headers["retry-after"]) >= 1


def test_a_timeout_in_microseconds_is_a_deadline(service: GatedService) -> None:
    async def main() -> httpx.Response:
        async with service.client() as client:
            return await post(client, 1, timeout=20_000)

    response = asyncio.run(asyncio.wait_for(main(), SECONDS))
    sentence = (
        "model affine2d: the deadline passed before all rows were computed. "
        "The limit is 10 s (DIFFEO_TIMEOUT_SECONDS), or less if the request sets it"
    )
    assert v2.error(response) == (504, sentence)


def test_a_timeout_of_zero_means_no_timeout(app: App) -> None:
    assert v2.infer(app, "affine2d", one_row(timeout=0)).tensors["log_prob"].shape == (1,)


names = st.sampled_from("name shape datatype data parameters inputs outputs id x FP32 binary_data_size".split())
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text() | names
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=5
)
lengths = st.sampled_from([None, "0", "1", "16", "-1", "x"])


@given(
    document=values,
    rest=st.binary(max_size=16) | st.just(b""),
    length=lengths,
    model=st.sampled_from([*PROTOCOL_MODELS, "affine2d/versions/1"]),
)
def test_no_body_breaks_the_service(app: App, document: object, rest: bytes, length: str | None, model: str) -> None:
    headers = {} if length is None else {v2.LENGTH: length}
    response = app.post(f"/v2/models/{model}/infer", content=json.dumps(document).encode() + rest, headers=headers)
    if response.status_code != 200:
        assert 400 <= v2.error(response)[0] < 500
