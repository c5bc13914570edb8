"""Without a valid API key nothing but health answers, by any spelling of a path, any method and any Host.

The expected scopes are written down here once more, so that a mistake in the policy of the service is found.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from diffeo.service import app as app_module
from diffeo.service.app import create_app
from diffeo.service.routes.dispatch import Dispatcher
from diffeo.service.security.api_keys import KeyScope, new_key
from diffeo.service.security.pages import Pages
from diffeo.service.settings import KeylessPaths, Settings
from tests.given.flows import affine
from tests.given.servers.asgi_call import Answer, call

HEALTH: Final = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
MODEL: Final = "/v2/models/{model}"
VERSION: Final = "/v2/models/{model}/versions/{version}"
READ: Final = {
    ("POST", "/sample"), ("POST", "/log_prob"), ("POST", "/transform"),
    ("GET", "/models"), ("GET", "/models/{model}"), ("GET", "/models/{model}/versions/{version}"),
    ("GET", "/v2"), ("GET", "/v2/models"), ("GET", "/v2/models/stats"), ("POST", "/v2/repository/index"),
    *(("GET", base + end) for base in (MODEL, VERSION) for end in ("", "/config", "/ready", "/stats")),
    ("POST", f"{MODEL}/infer"), ("POST", f"{VERSION}/infer"),
}  # fmt: skip
ADMIN: Final = {
    ("GET", "/metrics"), ("GET", "/docs"), ("GET", "/docs/oauth2-redirect"), ("GET", "/openapi.json"),
    ("GET", "/static-offline-docs/swagger-ui.css"), ("GET", "/models/{model}/versions/{version}/files/{file}"),
    ("POST", "/v2/repository/models/{model}/load"), ("POST", "/v2/repository/models/{model}/unload"),
}  # fmt: skip
OPEN: Final = {("GET", path) for path in HEALTH}
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "ANY")
TRICKS: Final = (
    "/{path}", "{path}/", "{path}//", "/%2e{path}", "/x/%2e%2e{path}", "/livez/..{path}", "/livez%2f..{path}",
    "/livez/{path}", "{path}/livez", "{path}%2flivez", "{path}?/livez", "{path}?path=/livez", "{path}%3f/livez",
    "{path}%23/livez", "{path};/livez", "{path}%00", "{path}%20", "{path}.", "http://livez{path}",
    "http://evil.example{path}", "http://evil.example/livez/..{path}", "/\\evil.example{path}", "//evil.example{path}/",
)  # fmt: skip
HOSTS: Final = ("127.0.0.1:8000", "x/livez?", "livez", "evil.example/livez#", "127.0.0.1:8000@livez")
ALICE: Final = new_key("alice", KeyScope.READ)
BOSS: Final = new_key("boss", KeyScope.ADMIN)
KEYS: Final = f"{ALICE[1].line}\n{BOSS[1].line}\n"
WITHOUT_KEY: Final[dict[str, dict[str, str]]] = {
    "no key": {},
    "a wrong key": {"authorization": f"Bearer {ALICE[0][:-1]}!"},
    "a wrong key in its own header": {"x-api-key": "diffeo_"},
    "an empty key": {"x-api-key": ""},
    "a key of another kind": {"authorization": f"Basic {ALICE[0]}"},
    "the hash of a key": {"authorization": f"Bearer {BOSS[1].digest.hex()}"},
    "the line of a key": {"x-api-key": BOSS[1].line},
    "a wrong key before a right one": {"x-api-key": "wrong", "authorization": f"Bearer {BOSS[0]}"},
}


class Protected(NamedTuple):
    """A service with keys, and every route that it has: method and path or template."""

    app: ASGIApp
    routes: set[tuple[str, str]]


def protected(*open_without_key: KeylessPaths) -> Protected:
    """The service; its routes are read from the objects that it is made of."""
    routes: set[tuple[str, str]] = set()

    def dispatcher(*arguments: object) -> Dispatcher:
        made = Dispatcher(*arguments)  # type: ignore[arg-type]  # those of create_service
        routes.update((route.method, route.path) for route in arguments[0])  # type: ignore[attr-defined]
        return made

    def pages(fastapi: FastAPI) -> Pages:
        for route in fastapi.routes:
            routes.update(_methods_and_paths(route))
        return Pages(fastapi)

    settings = Settings(
        models=affine.DATA, api_keys=KEYS, allowed_hosts=("*",), open_without_key=open_without_key, threads=1
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_module, "Dispatcher", dispatcher)
        patch.setattr(app_module, "Pages", pages)
        return Protected(create_app(settings), routes)


def _methods_and_paths(route: object) -> Iterator[tuple[str, str]]:
    included = getattr(route, "original_router", None)
    if isinstance(included, APIRouter):
        for each in included.routes:
            yield from _methods_and_paths(each)
    elif isinstance(route, Mount):
        yield "GET", f"{route.path}/swagger-ui.css"
    elif isinstance(route, Route):
        yield from ((method, route.path) for method in (route.methods or ()) if method != "HEAD")
    else:
        raise TypeError(f"a route of an unknown kind: {route}")


@pytest.fixture(scope="module")
def service() -> Protected:
    return protected()


def filled(template: str) -> str:
    values = {"model": "affine2d", "version": "1", "file": "manifest.json"}
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)


def ask(service: Protected, method: str, target: str, headers: dict[str, str], host: str = HOSTS[0]) -> Answer:
    return call(service.app, method, target, {"host": host, "content-type": "application/json", **headers}, b"{}")


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


ROUTES: Final = sorted(READ | ADMIN | OPEN)
EACH_ROUTE = pytest.mark.parametrize(("method", "path"), ROUTES, ids=[" ".join(route) for route in ROUTES])


def test_every_route_of_the_service_has_an_expected_scope(service: Protected) -> None:
    assert service.routes == READ | ADMIN | OPEN


@EACH_ROUTE
def test_a_route_answers_those_with_its_scope_and_nobody_else(service: Protected, method: str, path: str) -> None:
    target = filled(path)
    expected = {"no": 401, "wrong": 401, "read": 403 if (method, path) in ADMIN else 0, "admin": 0}
    if (method, path) in OPEN:
        expected = dict.fromkeys(expected, 0)
    headers = {"no": {}, "wrong": bearer("diffeo_x"), "read": bearer(ALICE[0]), "admin": {"x-api-key": BOSS[0]}}
    for each in {method, "HEAD" if method == "GET" else method}:
        for who, status in expected.items():
            answer = ask(service, each, target, headers[who])
            assert (answer.status if answer.status in {401, 403} else 0) == status, (each, target, who)


@EACH_ROUTE
def test_no_method_and_no_host_opens_a_route(service: Protected, method: str, path: str) -> None:
    target = filled(path)
    for each in METHODS:
        for host in HOSTS if each == method else HOSTS[:2]:
            answer = ask(service, each, target, {}, host)
            if path in HEALTH:
                assert answer.status == (200 if each in {"GET", "HEAD"} else 405)
            else:
                assert answer.status == 401, (each, target, host)
            # A read key never gets more than the answer that the path has no such method.
            if (method, path) in ADMIN:
                assert ask(service, each, target, bearer(ALICE[0]), host).status in {403, 404, 405}


@EACH_ROUTE
def test_no_spelling_opens_a_route(service: Protected, method: str, path: str) -> None:
    for trick in TRICKS:
        target = trick.format(path=filled(path))
        # A query and the host of an absolute target are no part of the path.
        is_exact = trick.partition("?")[0].removeprefix("http://livez").removeprefix("http://evil.example") == "{path}"
        expected = 200 if path in HEALTH and is_exact else 401
        assert ask(service, method, target, {}).status == expected, target
        if (method, path) in ADMIN:
            assert ask(service, method, target, bearer(ALICE[0])).status in {403, 404, 405}, target


@EACH_ROUTE
def test_an_upper_case_or_encoded_path_opens_no_route(service: Protected, method: str, path: str) -> None:
    if path in HEALTH:
        return
    target = filled(path)
    encoded = "/" + "".join(f"%{ord(letter):02x}" if letter != "/" else "/" for letter in target[1:])
    for spelling in (target.upper(), encoded):
        assert ask(service, method, spelling, {}).status == 401
    assert (ask(service, method, encoded, bearer(ALICE[0])).status == 403) == ((method, path) in ADMIN)


@pytest.mark.parametrize("headers", WITHOUT_KEY.values(), ids=WITHOUT_KEY.keys())
def test_every_request_without_a_valid_key_gets_the_same_answer(service: Protected, headers: dict[str, str]) -> None:
    answer = ask(service, "POST", "/sample", {**headers, "x-request-id": "same"})
    reference = ask(service, "POST", "/sample", {"x-request-id": "same"})
    assert answer == reference
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="diffeo"')
    assert json.loads(answer.content)["type"] == "urn:diffeo:problem:unauthorized"


def test_below_v2_the_answer_has_the_form_of_the_protocol(service: Protected) -> None:
    answer = ask(service, "POST", "/v2/models/affine2d/infer", {})
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="diffeo"')
    assert "API key" in json.loads(answer.content)["error"]


@pytest.mark.parametrize(
    ("group", "opened"),
    [
        ("metrics", {"/metrics"}),
        ("docs", {"/docs", "/docs/oauth2-redirect", "/openapi.json", "/static-offline-docs/swagger-ui.css"}),
        ("downloads", {"/models/affine2d/versions/1/files/manifest.json"}),
    ],
)
def test_a_setting_opens_one_group_of_paths_and_no_other(group: KeylessPaths, opened: set[str]) -> None:
    service = protected(group)
    for method, path in ROUTES:
        status = ask(service, method, filled(path), {}).status
        if filled(path) in opened:
            assert status == 200
            assert ask(service, "DELETE", filled(path), {}).status == 401
        else:
            assert (status == 401) == (path not in HEALTH), path


def test_without_keys_every_path_answers_as_before() -> None:
    app = create_app(Settings(models=affine.DATA, threads=1))
    for method, path in ROUTES:
        answer = call(app, method, filled(path), {"content-type": "application/json"}, b"{}")
        assert answer.status not in {401, 403}, path
