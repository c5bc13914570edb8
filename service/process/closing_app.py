"""Wraps the application of a server that stops: every response closes its connection, and the service is not ready."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STOPPING: Final = "stopping"
CLOSE: Final = (b"connection", b"close")


class ClosingApp:
    """An application that tells each client to send its next request on a new connection.

    Args:
        app: answers the requests. It finds `stopping` in the state of each request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
            await send(message)

        scope.setdefault("state", {})[STOPPING] = True
        await self._app(scope, receive, send_closing)
