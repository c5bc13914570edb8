"""The OpenAPI document describes exactly the paths and methods below /v2 that the service answers."""

import re

from diffeo.service.routes.v2 import description
from tests.given.servers.asgi_app import App


def test_every_described_path_exists_and_takes_the_described_method(app: App) -> None:
    for path, methods in description.paths().items():
        for method in methods:
            address = path.replace("{model}", "affine2d").replace("{version}", "1")
            assert app.request(method.upper(), address).status_code in {200, 400}, path


def test_every_path_of_the_table_of_routes_is_described(app: App) -> None:
    described = set(app.get("/openapi.json").json()["paths"])
    assert set(description.paths()) <= described
    found = {re.sub(r"\{\w+\}", "{}", path) for path in described if path.startswith("/v2")}
    for suffix in ("", "/ready", "/config", "/stats", "/infer"):
        assert {f"/v2/models/{{}}{suffix}", f"/v2/models/{{}}/versions/{{}}{suffix}"} <= found


def test_every_error_below_v2_has_the_form_of_the_protocol(app: App) -> None:
    for path, methods in app.get("/openapi.json").json()["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status.startswith("4"):
                    media_type = "application/json" if path.startswith("/v2") else "application/problem+json"
                    assert set(answer["content"]) == {media_type}, (path, status)
