"""The facts in the head of a request are checked before its body is read."""

import asyncio
import time
from collections.abc import Mapping

import pytest
from starlette.types import ASGIApp, Message

from diffeo.service.admission.work_ahead import WorkAhead
from diffeo.service.app import create_app
from diffeo.service.settings import Settings
from tests.given.flows import affine

NPY = {"content-type": "application/x-npy"}
JSON = {"content-type": "application/json"}
INFER = "/v2/models/affine2d/infer"

REFUSED = {
    "an unknown model": ("/log_prob?model=other", NPY, 404),
    "an unknown version": ("/log_prob?version=7", NPY, 404),
    "an unknown parameter": ("/log_prob?colour=red", NPY, 422),
    "a wrong value": ("/log_prob?on_invalid=maybe", NPY, 422),
    "a wrong direction": ("/transform?direction=up", NPY, 422),
    "a wrong output": ("/transform?direction=forward&return=w", NPY, 422),
    "a repeated parameter": ("/log_prob?model=a&model=a", NPY, 400),
    "parameters beside JSON": ("/log_prob?model=affine2d", JSON, 422),
    "too many samples": ("/sample?num_samples=99999999", NPY, 413),
    "another media type": ("/log_prob", {"content-type": "text/plain"}, 415),
    "no media type": ("/log_prob", {}, 415),
    "a compressed body": ("/log_prob", {**NPY, "content-encoding": "gzip"}, 415),
    "an unknown format": ("/log_prob?format=xml", NPY, 422),
    "an Accept that no format serves": ("/log_prob", {**NPY, "accept": "image/png"}, 406),
    "a long body": ("/log_prob", {**NPY, "content-length": "999999999"}, 413),
    "a wrong deadline": ("/log_prob", {**NPY, "x-request-timeout-ms": "soon"}, 422),
    "an unknown model of the protocol": ("/v2/models/other/infer", JSON, 404),
    "an unknown version of the protocol": ("/v2/models/affine2d/versions/7/infer", JSON, 404),
    "a long body of the protocol": (INFER, {**JSON, "content-length": "999999999"}, 413),
    "an unknown encoding of the protocol": (INFER, {**JSON, "content-encoding": "br"}, 415),
}


class BodyWasRead(AssertionError):
    """The service asked for the body."""


async def ask(app: ASGIApp, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and Retry-After of a request whose body never comes."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise BodyWasRead

    async def send(message: Message) -> None:
        sent.append(message)

    target, _, query = path.partition("?")
    given = {"content-length": "100", **headers}
    scope = {
        "type": "http", "method": "POST", "path": target, "raw_path": target.encode(), "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()], "root_path": "",
        "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]).get(b"retry-after", b"")


@pytest.mark.parametrize(("path", "headers", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_a_request_that_cannot_succeed_is_rejected(path: str, headers: Mapping[str, str], status: int) -> None:
    app = create_app(Settings(models=affine.DATA))
    assert asyncio.run(ask(app, path, headers))[0] == status


LARGE = {
    "npy": ("/log_prob", NPY),
    "arrow": ("/log_prob", {"content-type": "application/vnd.apache.arrow.stream"}),
    "csv": ("/transform?direction=inverse", {"content-type": "text/csv"}),
    "json": ("/log_prob", JSON),
    "the protocol": (INFER, JSON),
}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> WorkAhead:
    """The work ahead of the next application, with ten large jobs of one client in it."""
    ahead = WorkAhead(0.08)
    for _ in range(10):
        ahead.reserve("127.0.0.1", 1, 1000.0)
    monkeypatch.setattr("diffeo.service.app.WorkAhead", lambda _: ahead)
    return ahead


@pytest.mark.parametrize(("path", "headers"), LARGE.values(), ids=LARGE.keys())
@pytest.mark.usefixtures("work")
def test_a_body_that_would_wait_too_long_is_rejected_with_a_retry_after(path: str, headers: Mapping[str, str]) -> None:
    app = create_app(Settings(models=affine.DATA))
    status, retry_after = asyncio.run(ask(app, path, {**headers, "content-length": "60000000"}))
    assert status == 429
    assert int(retry_after) >= 1


@pytest.mark.usefixtures("work")
def test_a_small_body_is_read_though_large_jobs_are_ahead() -> None:
    app = create_app(Settings(models=affine.DATA))
    # 500: the service asked for the body, which never comes.
    assert asyncio.run(ask(app, "/log_prob", {**NPY, "content-length": "8000"}))[0] == 500


@pytest.mark.parametrize(("waited", "status"), [(0.0, 200), (3600.0, 504)])
def test_a_deadline_counts_from_the_first_byte(waited: float, status: int) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b'{"x": [[0.5, 0.5]]}', "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/log_prob", "raw_path": b"/log_prob", "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "root_path": "", "scheme": "http",
        "server": ("127.0.0.1", 80), "client": None, "state": {"first_byte": time.monotonic() - waited},
    }  # fmt: skip
    app = create_app(Settings(models=affine.DATA))

    async def main() -> None:
        await app(scope, receive, send)

    asyncio.run(main())
    assert sent[0]["status"] == status
    assert (b"retry-after" in dict(sent[0]["headers"])) == (status == 504)
