"""Calls an ASGI application with a request target as it stands in the request line, parsed as the server parses it."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

import httptools
from starlette.types import ASGIApp, Message


class Answer(NamedTuple):
    """A whole response; a header that comes twice has its values joined by a comma."""

    status: int
    headers: dict[str, str]
    content: bytes


def call(  # noqa: PLR0913, PLR0917  (the parts of a request)
    app: ASGIApp, method: str, target: str, headers: Mapping[str, str], content: bytes = b"", client: str = "192.0.2.1"
) -> Answer:
    """Send one request from the address `client`."""
    return asyncio.run(_call(app, method, target, headers, content, client))


async def _call(  # noqa: PLR0913, PLR0917  (the parts of a request)
    app: ASGIApp, method: str, target: str, headers: Mapping[str, str], content: bytes, client: str
) -> Answer:
    messages: list[Message] = []

    unread = [content]

    async def receive() -> Message:
        if not unread:
            # The client stays connected until the response is complete.
            await asyncio.Event().wait()
        return {"type": "http.request", "body": unread.pop()}

    async def send(message: Message) -> None:
        messages.append(message)

    parsed = httptools.parse_url(target.encode("latin-1"))
    raw_path = parsed.path or b"/"
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "path": unquote(raw_path.decode("ascii")), "raw_path": raw_path, "query_string": parsed.query or b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "scheme": "http", "server": ("127.0.0.1", 8000), "client": (client, 50000), "root_path": "", "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    found: dict[str, str] = {}
    for name, value in messages[0]["headers"]:
        key, text = name.decode(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Answer(int(messages[0]["status"]), found, body)
