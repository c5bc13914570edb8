"""Wraps the FastAPI application: a content security policy for its pages, and redirects that do not use Host."""

import base64
import functools
import hashlib
import re
from typing import Final
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
HTML: Final = "text/html"
# The page of /docs loads its scripts and styles from the service. Swagger UI writes styles into the page.
POLICY: Final = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The characters that a path may hold unencoded (RFC 3986).
PATH_CHARACTERS: Final = "/:@!$&'()*+,;=~-._"


class Pages:
    """An ASGI application whose HTML may run only its own scripts and appears in no frame of another page.

    Args:
        app: answers the requests. A page comes in one message, as Starlette's HTML responses do.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: Message | None = None

        async def send_protected(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "location" in headers:
                    headers["location"] = redirect_target(scope).decode()
                if headers.get("content-type", "").startswith(HTML):
                    # The policy names the hash of each script, so the page must be known before its head is sent.
                    held = message
                    return
            elif held is not None:
                policy = content_security_policy(message.get("body", b""))
                MutableHeaders(scope=held)["content-security-policy"] = policy
                start, held = held, None
                await send(start)
            await send(message)

        await self._app(scope, receive, send_protected)


@functools.lru_cache(maxsize=16)
def content_security_policy(page: bytes) -> str:
    """The policy for one page: its inline scripts may run, and no other inline script."""
    digests = (base64.b64encode(hashlib.sha256(script).digest()) for script in SCRIPT.findall(page))
    return POLICY.format(scripts="".join(f" 'sha256-{digest.decode()}'" for digest in digests))


def redirect_target(scope: Scope) -> bytes:
    """The path of a request without a slash at its end, or with one where it had none, and its query.

    It names no host, and it begins with one slash only: a browser would read `//evil.example` as a host.
    """
    path: str = scope["path"]
    target = path.rstrip("/") if path.endswith("/") else f"{path}/"
    query: bytes = scope["query_string"]
    location = quote("/" + target.lstrip("/"), safe=PATH_CHARACTERS).encode()
    return b"%b?%b" % (location, query) if query else location
