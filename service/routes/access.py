"""The outermost layer: gives each request an id, logs it in one line, and cuts off an answer that failed midway.

Pure ASGI: a middleware that wraps the response stream would hide a client that has gone.
"""

import logging
import re
import secrets
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = "x-request-id"
# Only what cannot forge a log line or a header is taken over from a client.
ACCEPTED: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
SHOWN_PATH: Final = 256

log = logging.getLogger("diffeo.access")


def request_id(scope: Scope) -> str:
    """The id of the request that this scope belongs to."""
    return str(scope.get("state", {}).get("request_id", ""))


class Access:
    """Wraps an ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        given = Headers(scope=scope).get(HEADER, "")
        identity = given if ACCEPTED.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = identity
        status = 0
        whole = False

        async def send_named(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, send_named)
        except Exception:
            # Starlette answers an error that nobody foresaw, then raises it again for the server to log. It is logged
            # by then; only where the answer is not whole must the server break the connection, which tells the client.
            if not whole:
                raise
        finally:
            _log(scope, identity, status, time.monotonic() - began)


def _log(scope: Scope, identity: str, status: int, seconds: float) -> None:
    fields = {
        "request_id": identity,
        "method": scope["method"],
        "path": scope["path"][:SHOWN_PATH],
        "status": status,
        "milliseconds": round(seconds * 1000, 3),
    }
    log.info("request", extra=fields | scope.get("state", {}).get("log", {}))
