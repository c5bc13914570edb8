"""Finds the endpoint of a request: one table of routes for the operations and for every path below /v2.

Every other path goes to the FastAPI application, which documents its routes at /docs.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import ServiceError
from ..security.access_control import ResponseHeaders
from ..security.pages import redirect_target
from . import problems
from .access import log_problem, request_id
from .endpoint import ErrorResponse
from .request_context import HttpResponse

Endpoints = dict[str, ASGIApp]  # by method

HEAD: Final = "HEAD"
GET: Final = "GET"


class Route(NamedTuple):
    """One line of the table.

    Attributes:
        method: POST, or GET, which stands for HEAD too.
        path: the path, or a template: a segment in braces, such as {model}, stands for any segment that is not empty.
        endpoint: the ASGI application that answers. It finds the segments of a template in `scope["path_params"]`.
    """

    method: str
    path: str
    endpoint: ASGIApp


class Access(Protocol):
    """Decides whether a request may reach its endpoint."""

    def check(self, scope: Scope) -> ResponseHeaders | None:
        """Raise the error that the request is answered with, or return what makes headers for its response."""

    def count_rejected(self, scope: Scope, problem: str) -> None:
        """Count a request that `check` has raised an error for."""


class Dispatcher:
    """Calls the endpoint of the path and method of a request.

    A path without braces is one dict lookup. Only if the table does not have it are the templates tried.

    Args:
        routes: the table.
        fallback: answers every path that the table does not have.
        error_responses: by first segment of a path, how errors are written below it. The table is complete there: a
            path that it does not have is an error, and does not go to `fallback`.
        access: checks every request first.
    """

    def __init__(
        self, routes: Sequence[Route], fallback: ASGIApp, error_responses: Mapping[str, ErrorResponse], access: Access
    ) -> None:
        self._access = access
        self._fallback = fallback
        self._error_responses = error_responses
        self._paths: dict[str, Endpoints] = {}
        self._templates = _Segment()
        for route in routes:
            is_template = "{" in route.path
            endpoints = self._templates.add(route.path) if is_template else self._paths.setdefault(route.path, {})
            endpoints[route.method] = route.endpoint
            if route.method == GET:
                endpoints[HEAD] = route.endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._fallback(scope, receive, send)
            return
        try:
            response_headers = self._access.check(scope)
        except ServiceError as error:
            self._access.count_rejected(scope, problems.problem_type_of(error).type)
            await self._send_error(error, scope, send)
            return
        if response_headers is not None:
            send = _with_headers(send, response_headers)
        endpoints = self._paths.get(scope["path"]) or self._match_template(scope)
        if not endpoints:
            await self._answer_other_path(scope, receive, send)
        elif (endpoint := endpoints.get(scope["method"])) is not None:
            await endpoint(scope, receive, send)
        else:
            await self._send_error(HTTPException(405, headers={"allow": ", ".join(endpoints)}), scope, send)

    def _match_template(self, scope: Scope) -> Endpoints:
        endpoints, parameters = self._templates.match(scope["path"])
        if endpoints:
            scope["path_params"] = parameters
        return endpoints

    async def _answer_other_path(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if _first_segment(path) in self._error_responses:
            await self._send_error(HTTPException(404), scope, send)
        elif path.endswith("/") and path.rstrip("/") in self._paths:
            # As FastAPI does for its own routes.
            await HttpResponse(307, [(b"location", redirect_target(scope)), (b"content-length", b"0")]).send(send)
        else:
            await self._fallback(scope, receive, send)

    async def _send_error(self, error: Exception, scope: Scope, send: Send) -> None:
        log_problem(scope, problems.problem_type_of(error).type)
        error_response = self._error_responses.get(_first_segment(scope["path"]), problems.error_response)
        await error_response(error, request_id(scope)).send(send)


class _Segment:
    """One segment in the tree of all templates: the segments that may follow it, and the endpoints if none follows."""

    def __init__(self) -> None:
        self.literals: dict[str, _Segment] = {}
        self.parameter: tuple[str, _Segment] | None = None
        self.endpoints: Endpoints = {}

    def add(self, template: str) -> Endpoints:
        """The endpoints of a template, which is added to the tree unless it is there."""
        segment = self
        for text in template[1:].split("/"):
            if text.startswith("{"):
                segment.parameter = segment.parameter or (text[1:-1], _Segment())
                _, segment = segment.parameter
            else:
                segment = segment.literals.setdefault(text, _Segment())
        return segment.endpoints

    def match(self, path: str) -> tuple[Endpoints, dict[str, str]]:
        """The endpoints of the template that fits a path, none if none fits; and the segments that stand for braces."""
        segment = self
        parameters: dict[str, str] = {}
        for text in path[1:].split("/"):
            following = segment.literals.get(text)
            if following is None:
                if segment.parameter is None or not text:
                    return {}, parameters
                name, following = segment.parameter
                parameters[name] = text
            segment = following
        return segment.endpoints, parameters


def _with_headers(send: Send, response_headers: ResponseHeaders) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *response_headers()]
        await send(message)

    return send_with_headers


def _first_segment(path: str) -> str:
    return path[1:].partition("/")[0]
