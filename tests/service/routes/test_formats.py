"""Content-Type, Accept and ?format= choose the formats. Binary formats hold the same numbers; large samples stream."""

import io
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import numpy as np
import pytest

from diffeo.service.codecs.csv import Csv
from diffeo.service.requests import DEFAULT_LIMITS, Limits, Payload
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

NPY = "application/x-npy"
JSON = "application/json"
X = np.array([[1, -2], [3, 2], [np.nan, 0]], np.float32)


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def loaded(content: bytes) -> np.ndarray:
    array: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def padded_csv(size: int) -> bytes:
    return b"height,weight\n1,2\n0.".ljust(size - 3, b"0") + b"1,2"


@pytest.fixture(scope="module")
def small() -> Iterator[App]:
    """An app with low limits and with streams of several blocks."""
    settings = Settings(
        models=affine.DATA, chunk_rows=4, max_body_bytes=500, max_rows=3, max_num_samples=1000, max_json_samples=10
    )
    with App(settings) as running:
        yield running


@pytest.mark.parametrize(
    ("query", "accept", "sent", "answered"),
    [
        ("", None, JSON, JSON),
        ("", None, NPY, NPY),
        ("", "*/*", NPY, NPY),
        ("", "application/*", NPY, NPY),
        ("", JSON, NPY, JSON),
        ("", NPY, JSON, NPY),
        ("", "text/html, application/json", NPY, JSON),
        ("", "application/json;q=0.5, application/x-npy", JSON, NPY),
        ("", "application/json;q=0.9, application/x-npy;q=0.1", NPY, JSON),
        ("", "application/json;q=0, application/x-npy", JSON, NPY),
        ("", "APPLICATION/JSON; charset=utf-8", NPY, JSON),
        ("?format=npy", None, JSON, NPY),
        ("?format=json", NPY, NPY, JSON),
        ("?format=npy", JSON, JSON, NPY),
    ],
)
def test_the_response_has_the_requested_format_or_else_that_of_the_request(
    app: App, query: str, accept: str | None, sent: str, answered: str
) -> None:
    body = saved(X[:2]) if sent == NPY else json.dumps({"x": X[:2].tolist()}).encode()
    headers = {"content-type": sent} | ({} if accept is None else {"accept": accept})
    response = app.post(f"/log_prob{query}", content=body, headers=headers)
    assert response.headers["content-type"] == answered
    values = loaded(response.content) if answered == NPY else response.json()["log_prob"]
    np.testing.assert_allclose(values, affine.log_prob(X[:2]), rtol=1e-6)


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/json;q=0", "application/problem+json", ";;,"])
def test_an_accept_header_without_a_known_format_is_not_acceptable(app: App, accept: str) -> None:
    assert app.post("/sample", headers={"accept": accept}).status_code == 406


def test_npy_has_nan_for_invalid_rows_and_a_header_that_counts_them(app: App) -> None:
    response = app.post("/log_prob", content=saved(X), headers={"content-type": NPY})
    values = loaded(response.content)
    assert np.isnan(values).tolist() == [False, False, True]
    assert response.headers["diffeo-invalid-rows"] == "1"
    clean = app.post("/log_prob", content=saved(X[:2]), headers={"content-type": NPY})
    assert loaded(clean.content).tobytes() == values[:2].tobytes()
    assert "diffeo-invalid-rows" not in clean.headers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("direction", "function"), [("forward", affine.forward), ("inverse", affine.inverse)])
def test_npy_holds_the_transformed_rows_unless_the_request_names_another_output(
    app: App, direction: str, function: Callable[[np.ndarray], np.ndarray], dtype: type[np.floating]
) -> None:
    def transform(query: str) -> np.ndarray:
        headers = {"content-type": NPY}
        path = f"/transform?direction={direction}{query}"
        return loaded(app.post(path, content=saved(X[:2].astype(dtype)), headers=headers).content)

    np.testing.assert_allclose(transform(""), function(X[:2]))
    assert transform("&return=log_abs_det_jacobian").shape == (2,)


@pytest.mark.parametrize("form", ["json", "npy"])
def test_a_text_column_of_the_model_is_the_same_error_in_every_response_format(app: App, form: str) -> None:
    path = f"/transform?direction=forward&format={form}"
    response = app.post(path, content="height,weight\n1,a\n", headers={"content-type": "text/csv"})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/0/1")


def test_each_output_of_a_sample_is_one_array_in_npy(app: App) -> None:
    shapes = {
        output: loaded(app.post(f"/sample?num_samples=5&seed=1&return={output}&format=npy").content).shape
        for output in ("x", "log_prob", "z")
    }
    assert shapes == {"x": (5, 2), "log_prob": (5,), "z": (5, 2)}


@pytest.mark.parametrize("form", ["json", "npy"])
def test_headers_name_seed_and_start_of_a_sample(app: App, form: str) -> None:
    response = app.post(f"/sample?num_samples=3&seed=7&start=5&temperature=2&format={form}")
    facts = {name: value for name, value in response.headers.items() if name.startswith("diffeo-")}
    assert facts == {
        "diffeo-model": "affine2d", "diffeo-version": "1", "diffeo-seed": "7", "diffeo-start": "5",
        "diffeo-next-start": "8", "diffeo-temperature": "2.0",
    }  # fmt: skip


def test_the_header_names_a_fresh_seed_which_draws_the_same_rows_again(app: App) -> None:
    first = app.post("/sample?num_samples=9&format=npy")
    again = app.post(f"/sample?num_samples=9&format=npy&seed={first.headers['diffeo-seed']}")
    assert first.content == again.content


@pytest.mark.parametrize("output", ["x", "log_prob", "z"])
def test_a_stream_is_the_same_file_as_its_pages_joined(small: App, output: str) -> None:
    query = f"/sample?seed=7&return={output}&format=npy"
    response = small.post(f"{query}&num_samples=300")
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["diffeo-next-start"] == "300"
    pages = [loaded(small.post(f"{query}&num_samples=50&start={start}").content) for start in range(0, 300, 50)]
    assert response.content == saved(np.concatenate(pages))


def test_a_stream_that_fails_midway_is_broken_off(small: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_later(seed: int, start: int, count: int, dimension: int, temperature: float) -> np.ndarray:
        if start > 100:
            raise ZeroDivisionError(seed, temperature)
        return np.zeros((count, dimension), np.float32)

    monkeypatch.setattr("diffeo.bundle.base.draw", fail_later)
    with pytest.raises(ZeroDivisionError):
        small.post("/sample?num_samples=300&format=npy")


@pytest.mark.parametrize(
    ("query", "body", "pointer", "limit"),
    [
        ("/sample?num_samples=1001&format=npy", None, "/num_samples", "1000"),
        ("/sample?num_samples=11", None, "/num_samples", "10"),
        ("/log_prob", saved(np.zeros((4, 2), np.float32)), "/x", "3"),
        ("/transform?direction=inverse", saved(np.zeros((4, 2), np.float32)), "/z", "3"),
        ("/log_prob", saved(np.zeros((40, 2))), None, "500 bytes"),
    ],
)
def test_the_problem_of_a_request_above_a_limit_names_the_limit_and_a_remedy(
    small: App, query: str, body: bytes | None, pointer: str | None, limit: str
) -> None:
    response = small.post(query, content=body, headers={"content-type": NPY} if body else {})
    content = response.json()
    assert (response.status_code, content["type"]) == (413, "urn:diffeo:problem:too-large")
    assert [error["pointer"] for error in content["errors"]] == ([] if pointer is None else [pointer])
    assert limit in content["detail"]
    assert any(way in content["detail"] for way in ("in parts", "several requests", "page with start"))


def test_a_body_without_a_content_length_is_read_only_up_to_the_limit(small: App) -> None:
    taken: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        for index in range(1000):
            taken.append(index)
            yield b" " * 100

    assert small.post("/log_prob", content=endless(), headers={"content-type": JSON}).status_code == 413
    assert len(taken) < 10


@pytest.mark.parametrize("length", ["501", "9" * 30, "9" * 5000])
def test_a_content_length_above_the_limit_is_rejected_before_the_body_is_read(small: App, length: str) -> None:
    response = small.post("/log_prob", content=b"{}", headers={"content-type": JSON, "content-length": length})
    assert response.status_code == 413


@pytest.mark.parametrize("length", ["0" * 5000 + "2", "-1", "two", ""])
def test_a_content_length_that_is_no_number_is_ignored(small: App, length: str) -> None:
    response = small.post("/sample", content=b"{}", headers={"content-type": JSON, "content-length": length})
    assert response.status_code == 200


def test_a_csv_body_above_its_size_is_decoded_in_a_thread(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[threading.Thread] = []
    decode = Csv.decode

    def watched(self: Csv, body: bytes, query: Mapping[str, str], limits: Limits = DEFAULT_LIMITS) -> Payload:
        seen.append(threading.current_thread())
        return decode(self, body, query, limits)

    monkeypatch.setattr(Csv, "decode", watched)
    for size in (Csv.inline_bytes, Csv.inline_bytes, Csv.inline_bytes + 1):
        response = app.post("/log_prob", content=padded_csv(size), headers={"content-type": Csv.media_type})
        assert response.status_code == 200
    assert seen[0] is seen[1]
    assert seen[2] is not seen[0]
