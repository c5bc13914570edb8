"""Every error is one problem document: its kind known, its body small, and nothing in it but the fault."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from diffeo.runtime.errors import EngineFailed, ProviderMissing
from diffeo.service import errors
from diffeo.service.errors import FieldError, RequestError, ServiceError
from diffeo.service.routes.problems import KINDS, on_error
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

OF_THE_SERVICE = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ServiceError)]
CLASSES = [*OF_THE_SERVICE, EngineFailed, ProviderMissing]
# Met before anything listens, so no client is ever told.
AT_START = {
    errors.SettingsInvalid, ProviderMissing, errors.NothingToServe, errors.NotListening, errors.WorkerFailed
}  # fmt: skip
# Told to whoever watches over the process.
OF_A_PROBE = {errors.NotComputing}
ROOTS = {ServiceError, RequestError}
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


def problem_of(error: Exception) -> dict[str, object]:
    scope = {"type": "http", "state": {"request_id": "id"}}
    response = asyncio.run(on_error(Request(scope), error))
    content = json.loads(response.body)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == content["status"]
    return content


def test_every_error_that_a_client_can_meet_has_a_kind_of_its_own() -> None:
    assert set(KINDS) == set(CLASSES) - AT_START - OF_A_PROBE - ROOTS
    assert len({kind.type for kind in KINDS.values()}) == len(KINDS)


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_what_the_client_can_mend_is_a_4xx_and_the_rest_is_a_5xx(error: type[Exception]) -> None:
    content = problem_of(error("a sentence"))
    assert (content["status"] < 500) == (issubclass(error, RequestError) and error is not RequestError)
    assert list(content) == ["type", "title", "status", "detail", "errors", "request_id"]
    assert str(content["type"]).startswith("urn:diffeo:problem:")
    assert content["request_id"] == "id"


@pytest.mark.parametrize("error", sorted(set(KINDS) - {EngineFailed}, key=str), ids=lambda e: e.__name__)
def test_the_sentence_of_an_error_is_the_detail(error: type[Exception]) -> None:
    assert problem_of(error("a sentence"))["detail"] == "a sentence"


@pytest.mark.parametrize("error", [EngineFailed("/opt/secret"), ValueError("/opt/secret"), OSError(13, "secret")])
def test_what_a_runtime_says_of_itself_is_not_told(error: Exception) -> None:
    content = problem_of(error)
    assert content["status"] == 500
    assert "secret" not in json.dumps(content)
    assert content["detail"] == content["title"]


def test_faults_are_told_with_their_pointers() -> None:
    content = problem_of(errors.InvalidRequest("two", [FieldError("/a", "one"), FieldError("/b/0", "other")]))
    assert content["errors"] == [{"pointer": "/a", "detail": "one"}, {"pointer": "/b/0", "detail": "other"}]


@pytest.mark.parametrize(("method", "path", "body"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_problem_is_small_and_repeats_nothing_but_a_short_name(app: App, method: str, path: str, body: str) -> None:
    headers = {"content-type": "application/json"} if body else {}
    response = app.ask(method, path, content=body.encode(), headers=headers)
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
def test_a_path_that_is_not_served_is_a_problem_too(app: App, method: str, path: str, status: int, kind: str) -> None:
    response = app.ask(method, path)
    content = response.json()
    assert (response.status_code, content["status"], content["type"]) == (status, status, f"urn:diffeo:problem:{kind}")
    assert response.headers["content-type"] == "application/problem+json"
    assert (status == 405) == ("allow" in response.headers)
