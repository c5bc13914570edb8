"""The service in this process, without a socket: one exchange is one call."""

import asyncio
from types import TracebackType
from typing import Self

import httpx

from diffeo.service.app import create_app
from diffeo.service.settings import Settings


class App:
    """An app over a repository; an error that breaks an answer off is raised here."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self.asgi = create_app(settings)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self.asgi), base_url="http://service.test")

    def ask(self, method: str, path: str, **arguments: object) -> httpx.Response:
        """One exchange; arguments are those of `httpx.AsyncClient.request`."""
        return self._runner.run(self._client.request(method, path, **arguments))

    def rest(self, seconds: float) -> None:
        """Let what waits on the loop run, which stands still between exchanges."""
        self._runner.run(asyncio.sleep(seconds))

    def get(self, path: str, **arguments: object) -> httpx.Response:
        return self.ask("GET", path, **arguments)

    def post(self, path: str, **arguments: object) -> httpx.Response:
        return self.ask("POST", path, **arguments)

    def post_text(self, path: str, text: str | bytes) -> httpx.Response:
        """A JSON body byte for byte, which no encoder of ours has made valid."""
        return self.post(path, content=text, headers={"content-type": "application/json"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()
