"""Every path has one endpoint: exact paths first, then templates, then errors below /v2 and FastAPI elsewhere."""

import asyncio

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffeo.service.observability.shared_counters import SharedCounters
from diffeo.service.routes.dispatch import Dispatcher, Route
from diffeo.service.routes.v2.problems import error_response
from diffeo.service.security.access_control import AccessControl
from diffeo.service.settings import Settings
from tests.given.servers.asgi_app import App


def named(name: str) -> ASGIApp:
    """An endpoint that answers with its name and the segments that the template left open."""

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        parameters = ",".join(f"{key}={value}" for key, value in sorted(scope.get("path_params", {}).items()))
        await PlainTextResponse(f"{name} {parameters}".strip())(scope, receive, send)

    return endpoint


ROUTES = [
    Route("POST", "/score", named("score")),
    Route("GET", "/v2/items", named("items")),
    Route("GET", "/v2/items/all", named("all")),
    Route("GET", "/v2/items/{item}", named("item")),
    Route("POST", "/v2/items/{item}/parts/{part}", named("part")),
]
ACCESS = AccessControl(Settings(), None, SharedCounters())
DISPATCHER = Dispatcher(ROUTES, named("fallback"), {"v2": error_response}, ACCESS)


def answer(method: str, path: str) -> tuple[int, dict[str, str], str]:
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"a=1", "headers": [], "scheme": "http",
        "server": ("service.test", 80), "root_path": "",
    }  # fmt: skip
    asyncio.run(DISPATCHER(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    content = b"".join(message.get("body", b"") for message in messages[1:])
    return int(messages[0]["status"]), headers, content.decode()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/score", "score"),
        ("GET", "/v2/items", "items"),
        ("HEAD", "/v2/items", "items"),
        ("GET", "/v2/items/all", "all"),
        ("GET", "/v2/items/a b", "item item=a b"),
        ("HEAD", "/v2/items/one", "item item=one"),
        ("POST", "/v2/items/all/parts/2", "part item=all,part=2"),
        ("GET", "/", "fallback"),
        ("GET", "/items", "fallback"),
        ("GET", "/score/more", "fallback"),
        ("GET", "/v2x", "fallback"),
    ],
)
def test_a_path_goes_to_its_endpoint_and_any_other_path_to_the_fallback(method: str, path: str, expected: str) -> None:
    status, _, content = answer(method, path)
    assert (status, content) == (200, expected)


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/", "/v2/items/", "/v2/items//parts/1", "/v2/items/one/parts", "/v2/items/one/parts/2/more"]
)
def test_a_path_below_v2_that_the_table_lacks_is_an_error_of_the_protocol(path: str) -> None:
    status, headers, content = answer("GET", path)
    assert (status, headers["content-type"]) == (404, "application/json")
    assert '{"error":"no such path' in content


@pytest.mark.parametrize(
    ("method", "path", "allowed", "media_type"),
    [
        ("GET", "/score", "POST", "application/problem+json"),
        ("POST", "/v2/items", "GET, HEAD", "application/json"),
        ("DELETE", "/v2/items/one", "GET, HEAD", "application/json"),
        ("GET", "/v2/items/one/parts/2", "POST", "application/json"),
    ],
)
def test_another_method_is_an_error_in_the_form_of_its_path(
    method: str, path: str, allowed: str, media_type: str
) -> None:
    status, headers, _ = answer(method, path)
    assert (status, headers["allow"], headers["content-type"]) == (405, allowed, media_type)


def test_a_path_with_a_trailing_slash_redirects_to_the_path_without_it() -> None:
    status, headers, _ = answer("POST", "/score/")
    assert (status, headers["location"]) == (307, "/score?a=1")


def test_the_service_redirects_as_fastapi_does(app: App) -> None:
    for method, path in (("POST", "/log_prob/"), ("GET", "/models/")):
        response = app.request(method, path)
        assert (response.status_code, response.headers["location"]) == (307, path[:-1])
