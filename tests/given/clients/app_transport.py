"""An httpx transport that connects the blocking client to an app in this process; it can change the responses."""

from collections.abc import Callable

import httpx

from tests.given.servers.asgi_app import App

Change = Callable[[str, bytes], bytes]


class AppTransport(httpx.BaseTransport):
    """Sends each request to the app and keeps its path; `change` maps (path, content) to the content that arrives."""

    def __init__(self, app: App, change: Change = lambda _, content: content) -> None:
        self.paths: list[str] = []
        self._app = app
        self._change = change

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        self.paths.append(path)
        response = self._app.request(request.method, path, content=request.read(), headers=request.headers)
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return httpx.Response(response.status_code, headers=headers, content=self._change(path, response.content))
