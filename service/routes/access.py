"""The outermost layer: gives each request an id, logs it in one line, and turns what nobody foresaw into a 500.

Pure ASGI: a middleware that wraps the response stream would hide a client that has gone.
"""

import logging
import re
import secrets
import time
from typing import Final

import orjson
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

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except Exception:
            log.exception("the request failed", extra={"request_id": identity})
            if status:
                # The answer has begun; only breaking the connection tells the client that it is not whole.
                raise
            await _send_internal(send_named, identity)
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


async def _send_internal(send: Send, identity: str) -> None:
    content = {
        "type": "urn:diffeo:problem:internal",
        "title": "The service failed",
        "status": 500,
        "detail": "The service failed",
        "errors": [],
        "request_id": identity,
    }
    headers = [(b"content-type", b"application/problem+json")]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(content)})
