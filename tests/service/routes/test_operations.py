"""The operations by example: the answer to each request, and the problem of each wrong request."""

import json
import re
from typing import TypedDict

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from diffeo.bundle import base
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

Z = base.draw(7, 0, 3, 2)


def close(values: npt.ArrayLike, expected: npt.ArrayLike) -> bool:
    return bool(np.allclose(np.asarray(values, np.float64), expected, rtol=1e-5, atol=1e-5))


def test_sample_draws_the_rows_that_the_seed_names(app: App) -> None:
    body = {"model": "affine2d", "num_samples": 3, "seed": 7, "return": ["x", "log_prob"]}
    content = app.post("/sample", json=body).json()
    assert list(content) == ["model", "version", "columns", "seed", "start", "next_start", "x", "log_prob"]
    assert close(content.pop("x"), affine.inverse(Z))
    assert close(content.pop("log_prob"), affine.log_prob(affine.inverse(Z)))
    assert content == {
        "model": "affine2d", "version": 1, "columns": ["height", "weight"], "seed": 7, "start": 0, "next_start": 3
    }  # fmt: skip


def test_sample_needs_neither_body_nor_parameters(app: App) -> None:
    content = app.post("/sample").json()
    assert len(content["x"]) == 1
    again = app.post(f"/sample?seed={content['seed']}").json()
    assert again == content


def test_pages_that_follow_next_start_join_without_a_gap(app: App) -> None:
    whole = app.post("/sample", json={"num_samples": 10, "seed": 7}).json()["x"]
    pages, start = [], 0
    while start < 10:
        page = app.post("/sample", json={"num_samples": 5, "seed": 7, "start": start}).json()
        pages += page["x"]
        start = page["next_start"]
    assert pages == whole


def test_the_answer_names_the_temperature_only_if_it_is_not_one(app: App) -> None:
    content = app.post("/sample", json={"num_samples": 3, "seed": 7, "temperature": 2, "return": ["z", "x"]}).json()
    assert content["temperature"] == 2.0
    assert close(content["z"], 2 * Z)
    assert "temperature" not in app.post("/sample", json={"temperature": 1}).json()


def test_log_prob_answers_each_row_and_names_those_that_are_not_finite(app: App) -> None:
    content = app.post("/log_prob", json={"model": "affine2d", "x": [[3, 2], [None, 0.1]]}).json()
    value = content["log_prob"].pop(0)
    assert close(value, affine.log_prob(np.array([[3, 2]]))[0])
    assert content == {
        "model": "affine2d", "version": 1, "log_prob": [None],
        "invalid_rows": [{"row": 1, "reason": "non_finite_input"}],
    }  # fmt: skip


def test_a_float_is_written_as_the_shortest_text_that_parses_to_it(app: App) -> None:
    text = app.post("/log_prob", json={"x": [[1, -2]]}).text
    value = text.removeprefix('{"model":"affine2d","version":1,"log_prob":[').removesuffix("]}")
    assert value == str(np.float32(value))
    assert len(value) <= 11


@pytest.mark.parametrize(
    ("direction", "source", "image", "value", "log_abs_det_jacobian"),
    [("forward", "x", "z", [[1.0, 1.0]], affine.LADJ), ("inverse", "z", "x", [[7.0, 6.0]], -affine.LADJ)],
)
def test_transform_computes_both_directions(  # noqa: PLR0913, PLR0917  (a row of the table)
    app: App, direction: str, source: str, image: str, value: npt.ArrayLike, log_abs_det_jacobian: float
) -> None:
    body = {"model": "affine2d", "direction": direction, source: [[3, 2]]}
    content = app.post("/transform", json=body).json()
    assert list(content) == ["model", "version", image, "log_abs_det_jacobian"]
    assert close(content[image], value)
    assert close(content["log_abs_det_jacobian"], [log_abs_det_jacobian])


def test_a_row_without_a_finite_answer_is_null_in_every_output(app: App) -> None:
    content = app.post("/transform", json={"direction": "forward", "x": [[None, 1], [1, -2]]}).json()
    assert content["z"] == [None, [0.0, 0.0]]
    assert content["log_abs_det_jacobian"][0] is None


def test_a_request_without_rows_gets_an_empty_answer(app: App) -> None:
    assert app.post("/log_prob", json={"x": []}).json()["log_prob"] == []
    assert app.post("/transform", json={"direction": "inverse", "z": []}).json()["x"] == []


BIG = {"x": [[1, 2]] * 3}
SAMPLE, LOG_PROB = ("POST", "/sample"), ("POST", "/log_prob")
JSON_TYPE = {"content-type": "application/json"}


class Sending(TypedDict, total=False):
    """The body and headers of a request, as `App.request` takes them."""

    content: bytes
    json: object
    data: dict[str, object]
    headers: dict[str, str]


PROBLEMS: dict[str, tuple[tuple[str, str], Sending, int, str, list[str]]] = {
    "not JSON": (LOG_PROB, {"content": b"{", "headers": JSON_TYPE}, 400, "malformed-body", []),
    "a repeated parameter": (("POST", "/sample?seed=1&seed=2"), {}, 400, "malformed-body", []),
    "a repeated format": (("POST", "/sample?format=npy&format=json"), {}, 400, "malformed-body", []),
    "no such model": (SAMPLE, {"json": {"model": "moons"}}, 404, "model-not-found", []),
    "no such version": (SAMPLE, {"json": {"version": 2}}, 404, "version-not-found", []),
    "another method": (("GET", "/sample"), {}, 405, "method-not-allowed", []),
    "an image for an answer": (
        LOG_PROB, {"json": BIG, "headers": {"accept": "image/png"}}, 406, "not-acceptable", []
    ),
    "two arrays in npy": (
        ("POST", "/sample?format=npy&return=x,z"), {}, 406, "not-acceptable", ["/return"]
    ),
    "a form": (SAMPLE, {"data": {"seed": "1"}}, 415, "unsupported-format", []),
    "no type": (LOG_PROB, {"content": b"{}"}, 415, "unsupported-format", []),
    "a compressed body": (
        LOG_PROB, {"json": BIG, "headers": {"content-encoding": "gzip"}}, 415, "unsupported-format", []
    ),
    "no rows": (LOG_PROB, {"json": {}}, 422, "invalid-request", ["/x"]),
    "another width": (LOG_PROB, {"json": {"x": [[1, 2, 3]]}}, 422, "invalid-request", ["/x/0"]),
    "a ragged row": (LOG_PROB, {"json": {"x": [[1, 2], [3]]}}, 422, "invalid-request", ["/x/1"]),
    "text for a number": (LOG_PROB, {"json": {"x": [[1, "2"]]}}, 422, "invalid-request", ["/x/0/1"]),
    "text for a count": (SAMPLE, {"json": {"num_samples": "10"}}, 422, "invalid-request", ["/num_samples"]),
    "an unknown key": (SAMPLE, {"json": {"seeds": 1}}, 422, "invalid-request", ["/seeds"]),
    "an unknown query": (("POST", "/sample?seeds=1"), {}, 422, "invalid-request", ["/seeds"]),
    "a query beside JSON": (("POST", "/sample?seed=1"), {"json": {}}, 422, "invalid-request", [""]),
    "an unknown format": (("POST", "/sample?format=xml"), {}, 422, "invalid-request", ["/format"]),
    "no direction": (("POST", "/transform"), {"json": BIG}, 422, "invalid-request", ["/direction"]),
    "rows that may not be invalid": (
        LOG_PROB, {"json": {"x": [[1, 2], [None, 1]], "on_invalid": "error"}}, 422, "invalid-request", ["/x/1"]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "arguments", "status", "kind", "pointers"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_a_wrong_request_gets_its_status_problem_type_and_pointers(  # noqa: PLR0913, PLR0917  (a row of the table)
    app: App, call: tuple[str, str], arguments: Sending, status: int, kind: str, pointers: list[str]
) -> None:
    response = app.request(*call, **arguments)
    content = response.json()
    assert (response.status_code, content["type"]) == (status, f"urn:diffeo:problem:{kind}")
    assert [error["pointer"] for error in content["errors"]] == pointers
    assert response.headers["content-type"] == "application/problem+json"


def test_models_lists_the_served_models(app: App) -> None:
    summary = {
        "model": "affine2d", "default": True, "columns": ["height", "weight"],
        "versions": [{"version": 1, "state": "ready", "reason": None}],
    }  # fmt: skip
    assert app.get("/models").json() == {"models": [summary]}
    detail = app.get("/models/affine2d").json()
    newest = detail.pop("newest")
    assert detail == summary
    assert newest == app.get("/models/affine2d/versions/1").json()
    manifest = json.loads((affine.PATH / "manifest.json").read_text())
    for name in ("columns", "dtype", "base", "certificate", "calibration", "provenance"):
        assert newest[name] == manifest[name]
    assert (newest["engine"], newest["execution_providers"], newest["precisions"]) == ("onnx", ["cpu"], ["float32"])


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_checks_answer_get_and_head(app: App, path: str) -> None:
    assert app.get(path).json()["models"] == 1
    response = app.request("HEAD", path)
    assert (response.status_code, response.content) == (200, b"")


def external(response: httpx.Response) -> list[str]:
    return re.findall(r"""(?:src|href|url|@import)\s*[=(:]?\s*["']?\s*((?:https?:)?//[^"')\s]+)""", response.text)


def test_the_docs_page_loads_nothing_from_other_hosts(app: App) -> None:
    page = app.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert external(page) == []
    assets = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(assets) >= 3
    for asset in assets:
        assert app.get(asset).status_code == 200
    style = app.get(next(asset for asset in assets if asset.endswith(".css")))
    assert external(style) == []


def test_the_docs_page_shows_the_document_of_this_service(app: App) -> None:
    assert "/openapi.json" in app.get("/docs").text
    document = app.get("/openapi.json").json()
    assert {"/sample", "/log_prob", "/transform", "/models", "/livez", "/readyz"} < set(document["paths"])
