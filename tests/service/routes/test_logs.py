"""One JSON line for each request, and nothing that a client sends can make another."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffeo.service.observability.logs import FLUSH_SECONDS, JsonLines
from diffeo.service.routes.access import AccessLog
from tests.given.servers.asgi_app import App

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """What the service has logged since the last call, one object a line."""
    # Lines of the tests before go first, and none waits for others here.
    app.rest(2 * FLUSH_SECONDS)
    monkeypatch.setattr("diffeo.service.observability.logs.FLUSH_SECONDS", 0)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("diffeo")
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    monkeypatch.setattr(log, "propagate", False)

    def take() -> list[dict[str, object]]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        assert text.isascii()
        return [json.loads(line) for line in text.splitlines()]

    yield take
    log.removeHandler(handler)
    log.setLevel(level)


def test_a_request_is_one_line_that_says_what_was_asked_and_how_it_went(app: App, lines: Lines) -> None:
    response = app.post("/sample", json={"num_samples": 3})
    (line,) = lines()
    assert line.pop("milliseconds") >= 0
    assert str(line.pop("time")).startswith("20")
    assert line == {
        "level": "info", "logger": "diffeo.access", "message": "request", "method": "POST", "path": "/sample",
        "status": 200, "model": "affine2d", "version": 1, "rows": 3, "request_id": response.headers["x-request-id"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/livez", 200), ("GET", "/nowhere", 404), ("GET", "/sample", 405), ("POST", "/log_prob", 422)],
)
def test_every_answer_is_logged_once_with_its_status(
    method: str, path: str, status: int, app: App, lines: Lines
) -> None:
    app.ask(method, path)
    (line,) = lines()
    assert (line["method"], line["path"], line["status"]) == (method, path, status)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.binary(max_size=40))
def test_no_path_forges_a_line(app: App, lines: Lines, noise: bytes) -> None:
    forged = b'\n{"message": "FAKE"}\r\n\x1b[31m' + noise
    app.get("/" + "".join(f"%{byte:02x}" for byte in forged))
    (line,) = lines()
    assert line["message"] == "request"
    assert '{"message": "FAKE"}' in str(line["path"])


def test_a_long_path_is_cut(app: App, lines: Lines) -> None:
    app.get("/" + "a" * 5000)
    (line,) = lines()
    assert len(str(line["path"])) == 256


@pytest.mark.parametrize("given_id", ["a", "trace-1.2_3", "A" * 64])
def test_a_plain_request_id_is_taken_over(given_id: str, app: App, lines: Lines) -> None:
    response = app.get("/nowhere", headers={"x-request-id": given_id})
    (line,) = lines()
    assert response.headers["x-request-id"] == response.json()["request_id"] == line["request_id"] == given_id


@pytest.mark.parametrize("given_id", ["", "a b", "A" * 65, 'a"}', "a\tb", "é", "a\n", "../x", "<script>"])
def test_any_other_request_id_is_replaced(given_id: str, app: App, lines: Lines) -> None:
    response = app.get("/nowhere", headers={"x-request-id": given_id.encode()})
    (line,) = lines()
    assert response.headers["x-request-id"] == response.json()["request_id"] == line["request_id"]
    assert len(str(line["request_id"])) == 16


def test_what_nobody_foresaw_is_logged_with_its_traceback_and_told_without(
    app: App, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("diffeo.bundle.base.draw", break_down)
    response = app.post("/sample")
    failure, request = lines()
    assert (request["message"], request["status"]) == ("request", 500)
    assert failure["request_id"] == request["request_id"] == response.json()["request_id"]
    assert "ZeroDivisionError: secret" in str(failure["traceback"])
    assert "secret" not in response.text


def test_a_client_who_leaves_is_no_failure_of_the_service(app: App, lines: Lines) -> None:
    async def gone() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def nobody(_: object) -> None:
        return None

    scope = {
        "type": "http", "method": "POST", "path": "/log_prob", "raw_path": b"/log_prob", "query_string": b"",
        "headers": [(b"content-length", b"100")], "root_path": "", "scheme": "http", "server": ("test", 80),
    }  # fmt: skip
    asyncio.run(app.asgi(scope, gone, nobody))
    (line,) = lines()
    assert (line["message"], line["status"]) == ("request", 499)


def test_an_answer_that_fails_midway_is_broken_off(lines: Lines) -> None:
    async def half(_: object, __: object, send: Callable[[dict[str, object]], object]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ha", "more_body": True})
        raise ZeroDivisionError

    async def ignore(_: object) -> None:
        return None

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(ZeroDivisionError):
        asyncio.run(AccessLog(half)(scope, None, ignore))
    (line,) = lines()
    assert (line["message"], line["status"]) == ("request", 200)


def test_values_that_json_lacks_are_logged_as_text() -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": ("a\nb",), "levelname": "INFO", "where": Path("/models")})
    line = json.loads(JsonLines().format(record))
    assert (line["where"], line["message"]) == ("/models", "a\nb")
