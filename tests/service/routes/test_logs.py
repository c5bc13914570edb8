"""The log has one JSON line for each request, the line explains the response, and no client can forge a line."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from diffeo.bundle import npy
from diffeo.service.observability.logs import FLUSH_SECONDS, AccessLines, JsonLines, named_model
from diffeo.service.routes.access import HEALTH_PATHS, AccessLog
from diffeo.service.settings import Settings
from tests.given.clients import v2_client as v2
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.servers.gated_service import SECONDS, GatedService

Line = MutableMapping[str, object]
Lines = Callable[[], list[Line]]
NPY = {"content-type": "application/x-npy"}
ROWS = npy.write(np.zeros((8, 2), np.float32))


@pytest.fixture
def lines(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """The objects that the service has logged since the last call."""
    # Pending lines of earlier tests are written first. From here on no line waits for others.
    app.run_loop(2 * FLUSH_SECONDS)
    monkeypatch.setattr("diffeo.service.observability.logs.FLUSH_SECONDS", 0)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("diffeo")
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    monkeypatch.setattr(log, "propagate", False)

    def take() -> list[Line]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        assert text.isascii()
        assert text.replace("\n", "").isprintable()
        return [json.loads(line) for line in text.splitlines()]

    yield take
    log.removeHandler(handler)
    log.setLevel(level)


def milliseconds(line: Line) -> float:
    duration = line.pop("duration_ms")
    assert isinstance(duration, float)
    return duration


def test_a_request_is_one_line_that_names_the_request_and_its_outcome(app: App, lines: Lines) -> None:
    response = app.post("/sample", json={"num_samples": 3})
    (line,) = lines()
    assert milliseconds(line) >= 0
    assert str(line.pop("time")).startswith("20")
    assert line == {
        "level": "info", "logger": "diffeo.access", "message": "request", "method": "POST", "path": "/sample",
        "status": 200, "operation": "sample", "model": "affine2d", "version": 1, "rows": 3, "problem": None,
        "request_id": response.headers["x-request-id"],
    }  # fmt: skip


LOGGED_REQUESTS: dict[str, tuple[str, str, object, dict[str, object]]] = {
    "a wrong value": (
        "POST", "/log_prob", {"x": [[1, 2, 3]] * 4},
        {"status": 422, "operation": "log_prob", "model": "affine2d", "version": 1, "rows": 4,
         "problem": "invalid-request"},
    ),
    "a cell that is no number": (
        "POST", "/log_prob", {"model": "affine2d", "version": 1, "x": [["abc", 2]]},
        {"status": 422, "operation": "log_prob", "model": "affine2d", "version": 1, "problem": "invalid-request"},
    ),
    "a model that does not exist": (
        "POST", "/log_prob", {"model": "moons", "version": 3, "x": [[1, 2]]},
        {"status": 404, "operation": "log_prob", "model": "moons", "version": 3, "rows": 1,
         "problem": "model-not-found"},
    ),
    "a version that does not exist": (
        "POST", "/transform", {"version": 2, "direction": "forward", "x": [[1, 2]]},
        {"status": 404, "operation": "transform", "version": 2, "rows": 1, "problem": "version-not-found"},
    ),
    "a body of no type, and a model in the query": (
        "POST", "/log_prob?model=moons", b"?",
        {"status": 415, "operation": "log_prob", "problem": "unsupported-format"},
    ),
    "a long name": (
        "POST", "/sample", {"model": "A" * 5000},
        {"status": 422, "operation": "sample", "model": "A" * 72, "problem": "invalid-request"},
    ),
    "a body that is not JSON": (
        "POST", "/sample", {"model": "\ud800"}, {"status": 400, "operation": "sample", "problem": "malformed-body"},
    ),
    "names that are no names": (
        "POST", "/sample", {"model": ["moons"], "version": 2**40},
        {"status": 422, "operation": "sample", "problem": "invalid-request"},
    ),
    "a v2 request": (
        "POST", "/v2/models/affine2d.forward/infer", v2.document(v2.tensor("x", [[1, 2], [3, 4]])),
        {"status": 200, "operation": "transform", "model": "affine2d", "version": 1, "rows": 2, "problem": None},
    ),
    "a v2 sample": (
        "POST", "/v2/models/affine2d.sample/infer", {"inputs": [], "parameters": {"num_samples": 5}},
        {"status": 200, "operation": "sample", "model": "affine2d", "version": 1, "rows": 5, "problem": None},
    ),
    "a wrong value over v2": (
        "POST", "/v2/models/affine2d/infer", v2.document(v2.tensor("x", [[1, 2]]), parameters={"seeds": 1}),
        {"status": 400, "operation": "log_prob", "model": "affine2d", "version": 1, "problem": "invalid-request"},
    ),
    "a v2 model that does not exist": (
        "POST", "/v2/models/moons.inverse/versions/3/infer", {},
        {"status": 404, "operation": "transform", "model": "moons.inverse", "version": 3,
         "problem": "model-not-found"},
    ),
    "metadata of a v2 model": (
        "GET", "/v2/models/affine2d.sample", b"",
        {"status": 200, "model": "affine2d", "version": 1, "problem": None},
    ),
    "a v2 path that does not exist": ("GET", "/v2/nowhere", b"", {"status": 404, "problem": "not-found"}),
    "another method over v2": (
        "GET", "/v2/models/affine2d/infer", b"",
        {"status": 405, "model": "affine2d", "problem": "method-not-allowed"},
    ),
    "another method": ("GET", "/log_prob", b"", {"status": 405, "problem": "method-not-allowed"}),
    "a path that does not exist": ("GET", "/nowhere", b"", {"status": 404, "problem": "not-found"}),
    "a page about a model that does not exist": (
        "GET", "/models/moons/versions/2", b"",
        {"status": 404, "model": "moons", "version": 2, "problem": "model-not-found"},
    ),
    "a page about a version": (
        "GET", "/models/affine2d/versions/1", b"",
        {"status": 200, "model": "affine2d", "version": 1, "problem": None},
    ),
}  # fmt: skip
COMPARED_FIELDS = {"status", "operation", "model", "version", "rows", "problem"}


@pytest.mark.parametrize(("method", "path", "body", "expected"), LOGGED_REQUESTS.values(), ids=LOGGED_REQUESTS.keys())
def test_a_line_names_operation_model_version_rows_and_problem_where_they_are_known(  # noqa: PLR0913, PLR0917
    app: App, lines: Lines, method: str, path: str, body: object, expected: dict[str, object]
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if isinstance(body, bytes) else {"content-type": "application/json"}
    app.request(method, path, content=content, headers=headers)
    (line,) = lines()
    assert {name: value for name, value in line.items() if name in COMPARED_FIELDS} == expected


def test_the_model_that_a_query_names_is_logged_though_the_body_cannot_be_read(app: App, lines: Lines) -> None:
    app.post("/log_prob?model=affine2d&version=1", content=b"no array", headers=NPY)
    (line,) = lines()
    assert (line["status"], line["model"], line["version"], line["problem"]) == (400, "affine2d", 1, "malformed-body")


@pytest.mark.parametrize("path", ["/log_prob", "/v2/models/affine2d/infer"])
def test_rejected_requests_are_explained_too(monkeypatch: pytest.MonkeyPatch, lines: Lines, path: str) -> None:
    service = GatedService(monkeypatch)
    sent = v2.body(v2.tensor("x", np.zeros((8, 2)), binary=True))
    content, headers = (ROWS, NPY) if path == "/log_prob" else sent

    async def main() -> list[int]:
        async with service.client() as client:

            def post(**more: str) -> "asyncio.Task[httpx.Response]":
                return asyncio.ensure_future(client.post(path, content=content, headers={**headers, **more}))

            pending = [post()]
            late = await post(**{"x-request-timeout-ms": "20"})
            for _ in range(2):
                pending.append(post())
                for _ in range(20):
                    await asyncio.sleep(0)
            # Four rows are in the engine and twenty are queued, so eight more rows exceed the limit.
            rejected = await post()
            service.gate.set()
            await asyncio.gather(*pending)
            return [late.status_code, rejected.status_code]

    assert asyncio.run(asyncio.wait_for(main(), SECONDS)) == [504, 429]
    found = {line["status"]: line for line in lines()}
    for status, problem in ((429, "overloaded"), (504, "deadline-passed")):
        names = ("operation", "model", "version", "rows", "problem")
        assert [found[status][name] for name in names] == ["log_prob", "affine2d", 1, 8, problem]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/models", 200), ("GET", "/nowhere", 404), ("GET", "/sample", 405), ("POST", "/log_prob", 422)],
)
def test_every_response_is_logged_once_with_its_status(
    method: str, path: str, status: int, app: App, lines: Lines
) -> None:
    app.request(method, path, json={} if method == "POST" else None)
    (line,) = lines()
    assert (line["method"], line["path"], line["status"]) == (method, path, status)


@pytest.mark.parametrize("path", sorted(HEALTH_PATHS))
def test_health_checks_are_logged_only_if_the_setting_asks(app: App, lines: Lines, path: str) -> None:
    assert app.get(path).status_code == app.request("HEAD", path).status_code == 200 or path == "/metrics"
    assert [line for line in lines() if line["method"] == "GET"] == []
    with App(Settings(models=affine.DATA, log_health_checks=True)) as verbose:
        assert verbose.get(path).status_code == 200
        (line,) = lines()
    assert (line["method"], line["path"], line["status"]) == ("GET", path, 200)


UNUSUAL_VALUES = {
    "an integer of 65 bits": (2**64, "0x10000000000000000"),
    "an integer of very many digits": (10**9999, hex(10**9999)[:200]),
    "half of a surrogate pair": ("\ud800", "\ud800"),
    "not a number": (float("nan"), None),
    "bytes": (b"\xb9", "b'\\xb9'"),
}


@pytest.mark.parametrize(("value", "shown"), UNUSUAL_VALUES.values(), ids=UNUSUAL_VALUES.keys())
def test_a_value_that_no_encoder_takes_ends_neither_its_line_nor_the_log(
    value: object, shown: object, app: App, lines: Lines
) -> None:
    access = AccessLines()

    async def log_two() -> None:
        access.add({"version": value, "status": 200})
        access.add({"status": 201})
        await asyncio.sleep(0.01)
        access.add({"status": 202})
        await asyncio.sleep(0.01)

    asyncio.run(log_two())
    first, *rest = lines()
    assert (first["version"], first["status"]) == (shown, 200)
    assert [line["status"] for line in rest] == [201, 202]
    app.get("/models")
    assert len(lines()) == 1


def test_a_failed_health_check_is_always_logged(tmp_path: Path, lines: Lines) -> None:
    (affine.copy_to(tmp_path) / "golden.npy").unlink()
    with App(Settings(models=tmp_path)) as broken:
        lines()
        assert broken.get("/readyz").status_code == 503
        (line,) = lines()
    assert (line["path"], line["status"]) == ("/readyz", 503)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.binary(max_size=40))
def test_no_path_forges_a_line(app: App, lines: Lines, noise: bytes) -> None:
    forged = b'\n{"message": "FAKE"}\r\n\x1b[31m' + noise
    app.get("/" + "".join(f"%{byte:02x}" for byte in forged))
    (line,) = lines()
    assert line["message"] == "request"
    assert '{"message": "FAKE"}' in str(line["path"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(max_size=100), st.text(max_size=100) | st.integers() | st.floats() | st.none())
def test_no_name_of_a_model_forges_a_line(app: App, lines: Lines, name: str, version: object) -> None:
    app.post_text("/sample", json.dumps({"model": name + "\n", "version": version}))
    (line,) = lines()
    assert line["message"] == "request"
    assert len(str(line.get("model", ""))) <= 72


@pytest.mark.parametrize(
    ("version", "shown"),
    [(1, 1), ("2", 2), (0, 0), (2**31, None), (-1, None), (True, None), (1.5, None), ("9" * 5000, None), ("²", None)],
)
def test_only_a_whole_number_is_shown_as_a_version(version: object, shown: int | None) -> None:
    assert named_model({"version": version}).get("version") == shown


def test_half_of_a_surrogate_pair_in_a_name_is_replaced() -> None:
    assert named_model({"model": "a\ud800"}) == {"model": "a?"}


def test_a_long_path_is_cut(app: App, lines: Lines) -> None:
    app.get("/" + "a" * 5000)
    (line,) = lines()
    assert len(str(line["path"])) == 256


@pytest.mark.parametrize("given_id", ["a", "trace-1.2_3", "A" * 64])
def test_a_plain_request_id_is_kept(given_id: str, app: App, lines: Lines) -> None:
    response = app.get("/nowhere", headers={"x-request-id": given_id})
    (line,) = lines()
    assert response.headers["x-request-id"] == response.json()["request_id"] == line["request_id"] == given_id


@pytest.mark.parametrize("given_id", ["", "a b", "A" * 65, 'a"}', "a\tb", "é", "a\n", "../x", "<script>"])
def test_any_other_request_id_is_replaced(given_id: str, app: App, lines: Lines) -> None:
    response = app.get("/nowhere", headers={b"x-request-id": given_id.encode()})
    (line,) = lines()
    assert response.headers["x-request-id"] == response.json()["request_id"] == line["request_id"]
    assert len(str(line["request_id"])) == 16


def test_an_unexpected_error_is_logged_with_its_traceback_which_the_client_does_not_see(
    app: App, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("diffeo.bundle.base.draw", break_down)
    response = app.post("/sample")
    failure, request = lines()
    assert (request["message"], request["status"], request["problem"]) == ("request", 500, "internal")
    assert failure["request_id"] == request["request_id"] == response.json()["request_id"]
    assert "ZeroDivisionError: secret" in str(failure["traceback"])
    assert "secret" not in response.text


def test_a_client_that_disconnects_is_no_failure_of_the_service(app: App, lines: Lines) -> None:
    async def disconnect() -> Message:
        return {"type": "http.disconnect"}

    async def ignore(_: Message) -> None:
        return None

    scope = {
        "type": "http", "method": "POST", "path": "/log_prob", "raw_path": b"/log_prob", "query_string": b"",
        "headers": [(b"content-length", b"100"), (b"content-type", b"application/json")], "root_path": "",
        "scheme": "http", "server": ("test", 80),
    }  # fmt: skip

    async def main() -> None:
        await app.asgi(scope, disconnect, ignore)

    asyncio.run(main())
    (line,) = lines()
    assert (line["message"], line["status"], line["problem"]) == ("request", 499, "client-disconnected")


def test_a_response_that_fails_midway_is_broken_off(lines: Lines) -> None:
    async def fail_midway(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ha", "more_body": True})
        raise ZeroDivisionError

    async def receive() -> Message:
        return {"type": "http.request"}

    async def ignore(_: Message) -> None:
        return None

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(ZeroDivisionError):
        asyncio.run(AccessLog(fail_midway)(scope, receive, ignore))
    (line,) = lines()
    assert (line["message"], line["status"]) == ("request", 200)


def test_values_that_json_lacks_are_logged_as_text() -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": ("a\nb",), "levelname": "INFO", "where": Path("/models")})
    line = json.loads(JsonLines().format(record))
    assert (line["where"], line["message"]) == ("/models", "a\nb")


@pytest.mark.parametrize("code", ["%7f", "%1b", "%00", "%c2%9b"])
def test_a_path_with_a_control_character_is_logged_in_printable_text(app: App, lines: Lines, code: str) -> None:
    app.get(f"/models/{code}")
    (line,) = lines()
    assert line["path"] == f"/models/{unquote(code)}"
