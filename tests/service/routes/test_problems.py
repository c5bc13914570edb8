"""Every error is one small problem document of a known type, and it repeats no text of the request."""

import asyncio
import json
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from diffeo.runtime.errors import EngineFailed, ProviderMissing
from diffeo.service import errors
from diffeo.service.errors import FieldError, RequestError, ServiceError
from diffeo.service.routes.problems import PROBLEM_TYPES, on_error
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

SERVICE_ERRORS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ServiceError)]
CLASSES = [*SERVICE_ERRORS, EngineFailed, ProviderMissing]
# Raised only before the service listens, so no client gets them.
START_ERRORS = {
    errors.SettingsInvalid, ProviderMissing, errors.NothingToServe, errors.NotListening, errors.WorkerFailed
}  # fmt: skip
# Raised only by the health probe of the process.
PROBE_ERRORS = {errors.NotComputing}
BASE_CLASSES = {ServiceError, RequestError, errors.Retryable}
LONG = "A" * 5000

HOSTILE = {
    "a long unknown key": ("POST", "/log_prob", json.dumps({"x": [[1, 2]], LONG: 1})),
    "a long model name": ("POST", "/log_prob", json.dumps({"x": [[1, 2]], "model": LONG})),
    "a long value": ("POST", "/sample", json.dumps({"num_samples": LONG})),
    "a long repeated key": ("POST", "/sample", f'{{"{LONG}": 1, "{LONG}": 2}}'),
    "a path for a name": ("POST", "/sample", json.dumps({"model": "/etc/passwd"})),
    "a path in the address": ("GET", "/models/..%2f..%2fetc%2fpasswd", ""),
    "a long name in the address": ("GET", f"/models/{LONG}", ""),
    "a long version in the address": ("GET", "/models/affine2d/versions/" + "9" * 5000, ""),
    "a long path": ("GET", f"/{LONG}", ""),
    "a long format": ("POST", f"/sample?format={LONG}", ""),
    "a long query": ("POST", f"/sample?{LONG}=1", ""),
    "a long direction": ("POST", "/transform", json.dumps({"x": [[1, 2]], "direction": LONG})),
    "many invalid rows": ("POST", "/log_prob", json.dumps({"x": [[None, 1]] * 5000, "on_invalid": "error"})),
    "bytes that are not JSON": ("POST", "/sample", LONG),
    "markup": ("POST", "/sample", json.dumps({"<script>alert(1)</script>": LONG})),
}


class Problem(TypedDict):
    """A problem document."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]]
    request_id: str


def problem_of(error: Exception) -> Problem:
    scope = {"type": "http", "state": {"request_id": "id"}}
    response = asyncio.run(on_error(Request(scope), error))
    content: Problem = json.loads(bytes(response.body))
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == content["status"]
    return content


def test_every_error_that_a_client_can_get_has_its_own_problem_type() -> None:
    assert set(PROBLEM_TYPES) == set(CLASSES) - START_ERRORS - PROBE_ERRORS - BASE_CLASSES
    assert len({kind.type for kind in PROBLEM_TYPES.values()}) == len(PROBLEM_TYPES)


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_errors_that_the_client_can_correct_are_4xx_and_all_others_5xx(error: type[Exception]) -> None:
    content = problem_of(error("a sentence"))
    assert (content["status"] < 500) == (issubclass(error, RequestError) and error is not RequestError)
    assert list(content) == ["type", "title", "status", "detail", "errors", "request_id"]
    assert str(content["type"]).startswith("urn:diffeo:problem:")
    assert content["request_id"] == "id"


@pytest.mark.parametrize("error", sorted(set(PROBLEM_TYPES) - {EngineFailed}, key=str), ids=lambda e: e.__name__)
def test_the_detail_of_a_problem_is_the_message_of_the_error(error: type[Exception]) -> None:
    assert problem_of(error("a sentence"))["detail"] == "a sentence"


@pytest.mark.parametrize("error", [EngineFailed("/opt/secret"), ValueError("/opt/secret"), OSError(13, "secret")])
def test_the_message_of_an_internal_error_is_not_shown_to_the_client(error: Exception) -> None:
    content = problem_of(error)
    assert content["status"] == 500
    assert "secret" not in json.dumps(content)
    assert content["detail"] == content["title"]


def test_field_errors_are_listed_with_their_pointers() -> None:
    content = problem_of(errors.InvalidRequest("two", [FieldError("/a", "one"), FieldError("/b/0", "other")]))
    assert content["errors"] == [{"pointer": "/a", "detail": "one"}, {"pointer": "/b/0", "detail": "other"}]


@pytest.mark.parametrize(("method", "path", "body"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_problem_is_small_and_repeats_at_most_a_short_name(app: App, method: str, path: str, body: str) -> None:
    headers = {"content-type": "application/json"} if body else {}
    response = app.request(method, path, content=body.encode(), headers=headers)
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.content) < 2000
    assert "A" * 65 not in response.text
    for secret in ("Traceback", "site-packages", str(affine.DATA), "/etc", ".py", "passwd"):
        assert secret not in response.text


keys = st.sampled_from("x z model version num_samples seed start temperature return direction on_invalid".split())
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text() | st.sampled_from(["x", "forward"])
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6)
bodies = st.dictionaries(keys | st.text(), values).map(json.dumps).map(str.encode) | st.binary()
types = st.sampled_from(["application/json", "application/x-npy", "text/plain", ""])


@given(body=bodies, kind=types)
@pytest.mark.parametrize("path", ["/sample", "/log_prob", "/transform"])
def test_no_body_of_any_type_breaks_the_service(app: App, path: str, body: bytes, kind: str) -> None:
    response = app.post(path, content=body, headers={"content-type": kind})
    if response.status_code != 200:
        assert 400 <= response.status_code < 500
        assert response.headers["content-type"] == "application/problem+json"
        assert len(response.content) < 2000


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/log_prob", 405, "method-not-allowed"),
        ("DELETE", "/models/affine2d", 405, "method-not-allowed"),
        ("GET", "/models/absent", 404, "model-not-found"),
        ("GET", "/models/affine2d/versions/9", 404, "version-not-found"),
        ("GET", "/models/affine2d/versions/one", 422, "invalid-request"),
        ("GET", "/models/affine2d/versions/1.0", 422, "invalid-request"),
        ("GET", "/models/affine2d/versions/01", 422, "invalid-request"),
        ("GET", "/models/affine2d/versions/0", 422, "invalid-request"),
    ],
)
def test_an_unknown_path_or_method_is_a_problem_too(app: App, method: str, path: str, status: int, kind: str) -> None:
    response = app.request(method, path)
    content = response.json()
    assert (response.status_code, content["status"], content["type"]) == (status, status, f"urn:diffeo:problem:{kind}")
    assert response.headers["content-type"] == "application/problem+json"
    assert (status == 405) == ("allow" in response.headers)
