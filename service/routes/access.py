"""The outermost layer: gives each request an id, logs it in one line, and cuts off an answer that failed midway.

Pure ASGI: a middleware that wraps the response stream would hide a client that has gone. The hot verbs are called from
here: the application has them as routes too, but its way to them costs more than a small request's answer.
"""

import itertools
import re
import secrets
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..observability.logs import AccessLines

HEADER: Final = b"x-request-id"
# Only what cannot forge a log line or a header is taken over from a client.
ACCEPTED: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
SHOWN_PATH: Final = 256
NOTHING: Final[Mapping[str, ASGIApp]] = MappingProxyType({})


def request_id(scope: Scope) -> str:
    """The id of the request that this scope belongs to."""
    return str(scope.get("state", {}).get("request_id", ""))


class Access:
    """Wraps an ASGI application.

    Args:
        app: what answers.
        verbs: POST paths that are answered without the application.
        branches: what answers all paths that begin with a segment, in the place of the application.
    """

    def __init__(
        self, app: ASGIApp, verbs: Mapping[str, ASGIApp] = NOTHING, branches: Mapping[str, ASGIApp] = NOTHING
    ) -> None:
        self._app = app
        self._verbs = verbs
        self._branches = branches
        self._lines = AccessLines()
        # An id of our own is this process, then a number. It names a request and is no secret.
        self._process = secrets.token_hex(4)
        self._count = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            self._lines.flush()
            return
        began = time.perf_counter()
        identity = _given_id(scope) or f"{self._process}{next(self._count) & 0xFFFFFFFF:08x}"
        encoded = identity.encode()
        scope.setdefault("state", {})["request_id"] = identity
        status = 0
        whole = False

        async def send_named(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER, encoded)]
                await send(message)
            else:
                await send(message)
                whole = not message.get("more_body", False)

        app = self._verbs.get(scope["path"]) if scope["method"] == "POST" else None
        if app is None:
            app = self._branches.get(scope["path"][1:].partition("/")[0], self._app)
        try:
            await app(scope, receive, send_named)
        except Exception:
            # Starlette answers an error that nobody foresaw, then raises it again for the server to log. It is logged
            # by then; only where the answer is not whole must the server break the connection, which tells the client.
            if not whole:
                raise
        finally:
            if self._lines.wanted:
                self._lines.add(_fields(scope, identity, status, time.perf_counter() - began))


def _given_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER and ACCEPTED.fullmatch(value):
            return str(value.decode())
    return ""


def _fields(scope: Scope, identity: str, status: int, seconds: float) -> dict[str, object]:
    return {
        "request_id": identity,
        "method": scope["method"],
        "path": scope["path"][:SHOWN_PATH],
        "status": status,
        "milliseconds": round(seconds * 1000, 3),
        **scope["state"].get("log", {}),
    }
