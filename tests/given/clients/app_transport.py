"""A way from the blocking client to an app in this process; what goes through can be counted and spoilt."""

from collections.abc import Callable

import httpx

from tests.given.servers.asgi_app import App


class Through(httpx.BaseTransport):
    """Each request is one exchange with the app; `spoil` changes the bytes of answers by path."""

    def __init__(self, app: App, spoil: Callable[[str, bytes], bytes] = lambda _, content: content) -> None:
        self.paths: list[str] = []
        self._app = app
        self._spoil = spoil

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        self.paths.append(path)
        response = self._app.request(request.method, path, content=request.read(), headers=request.headers)
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return httpx.Response(response.status_code, headers=headers, content=self._spoil(path, response.content))
