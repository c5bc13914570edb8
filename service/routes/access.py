"""The outermost ASGI layer: gives each request an id, logs it, and breaks off a response that failed midway.

It is pure ASGI, because a middleware that wraps the response stream would hide the disconnect of a client.
"""

import itertools
import re
import secrets
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..observability.logs import AccessLines, named_model

HEADER: Final = b"x-request-id"
# A browser must not guess another media type than the response names.
NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
# A client's own id is used only if it cannot forge a log line or a header.
ACCEPTED: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
MAX_SHOWN_PATH: Final = 256
# Probes and scrapes come every few seconds, so successful ones are logged only if the settings ask for it.
HEALTH_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
STATUS_OK: Final = 200


def request_id(scope: Scope) -> str:
    """The id of the request that has this scope; empty outside of `AccessLog`."""
    return str(scope.get("state", {}).get("request_id", ""))


def log_problem(scope: Scope, problem: str) -> None:
    """Name the type of the problem in the access line of the request."""
    scope.setdefault("state", {})["log"] = {"problem": problem}


class AccessLog:
    """Wraps an ASGI application.

    Args:
        app: answers the requests.
        log_health_checks: log successful health checks and scrapes of /metrics too; failed ones are always logged.
    """

    def __init__(self, app: ASGIApp, *, log_health_checks: bool = False) -> None:
        self._app = app
        self._unlogged_paths = frozenset[str]() if log_health_checks else HEALTH_PATHS
        self._lines = AccessLines()
        # A generated id is eight digits for this process, then a counter. It identifies a request and is no secret.
        self._process = secrets.token_hex(4)
        self._count = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            self._lines.flush()
            return
        began = time.perf_counter()
        identifier = _client_id(scope) or f"{self._process}{next(self._count) & 0xFFFFFFFF:08x}"
        encoded = identifier.encode()
        scope.setdefault("state", {})["request_id"] = identifier
        status = 0
        complete = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], NO_SNIFFING, (HEADER, encoded)]
                await send(message)
            else:
                await send(message)
                complete = not message.get("more_body", False)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            # Starlette answers an unexpected error and raises it again for the server to log. It is logged already.
            # The server must see it only if the response is incomplete: it then closes the connection, so that the
            # client notices.
            if not complete:
                raise
        finally:
            if self._lines.wanted and not (status == STATUS_OK and scope["path"] in self._unlogged_paths):
                self._lines.add(_fields(scope, identifier, status, time.perf_counter() - began))


def _client_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER and ACCEPTED.fullmatch(value):
            return str(value.decode())
    return ""


def _fields(scope: Scope, identifier: str, status: int, seconds: float) -> dict[str, object]:
    # The endpoint puts its fields into the scope. If it found no model, the line has the model that the path names.
    named = named_model(scope["path_params"]) if "path_params" in scope else {}
    state = scope["state"]
    # The name of the API key, or the address behind a trusted proxy.
    client = {"client": state["client"]} if "client" in state else {}
    return {
        "request_id": identifier,
        "method": scope["method"],
        "path": scope["path"][:MAX_SHOWN_PATH],
        "status": status,
        "duration_ms": round(seconds * 1000, 3),
        "problem": None,
        **client,
        **named,
        **state.get("log", {}),
    }
