"""Runs the service in this process, without a socket: one request is one call of the ASGI application."""

import asyncio
from collections.abc import AsyncIterable, Coroutine, Mapping
from types import TracebackType
from typing import Self

import httpx

from diffeo.service.app import create_app
from diffeo.service.settings import Settings

Headers = Mapping[str, str] | Mapping[bytes, bytes] | httpx.Headers
Content = str | bytes | AsyncIterable[bytes]


class App:
    """An app over a repository. An error that breaks a response off is raised here."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self.asgi = create_app(settings)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self.asgi), base_url="http://service.test")

    def request(  # noqa: PLR0913  (the ways in which httpx takes a body)
        self,
        method: str,
        path: str,
        *,
        content: Content | None = None,
        json: object = None,
        data: Mapping[str, object] | None = None,
        headers: Headers | None = None,
    ) -> httpx.Response:
        """Send one request; the arguments are those of `httpx.AsyncClient.request`."""
        sending = self._client.request(method, path, content=content, json=json, data=data, headers=headers)
        return self._runner.run(sending)

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Run a coroutine in the event loop of the app."""
        self._runner.run(work)

    def run_loop(self, seconds: float) -> None:
        """Run the event loop, which stands still between requests, so that pending callbacks run."""
        self._runner.run(asyncio.sleep(seconds))

    def get(self, path: str, *, headers: Headers | None = None) -> httpx.Response:
        return self.request("GET", path, headers=headers)

    def post(
        self, path: str, *, content: Content | None = None, json: object = None, headers: Headers | None = None
    ) -> httpx.Response:
        return self.request("POST", path, content=content, json=json, headers=headers)

    def post_text(self, path: str, text: str | bytes) -> httpx.Response:
        """Send a JSON body byte for byte, valid or not."""
        return self.post(path, content=text, headers={"content-type": "application/json"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()
