"""httpx in the words of `diffeo.client.steps`: how a step becomes a request, and what its failures mean."""

import math
from collections.abc import Mapping
from typing import Final

import httpx

from .steps import Head, Lost, Open

# Numbers hardly compress, and a proxy that tried would only take time.
HEADERS: Final = {"accept-encoding": "identity"}
# What a line or a service that starts again does; all else is a fault that stays.
PASSING: Final = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


def headers(given: Mapping[str, str] | None) -> dict[str, str]:
    """The headers of every request."""
    return {**HEADERS, **(given or {})}


def request(http: httpx.Client | httpx.AsyncClient, step: Open) -> httpx.Request:
    """The request of a step."""
    asked = step.request
    seconds = None if step.seconds == math.inf else max(step.seconds, 0.0)
    return http.build_request(
        asked.method,
        asked.path,
        params=asked.query or None,
        content=asked.content,
        headers=asked.headers,
        timeout=seconds,
    )


def head(response: httpx.Response) -> Head:
    """What is known of an answer before its body."""
    return Head(response.status_code, response.headers)


def lost(error: httpx.RequestError) -> Lost:
    """What httpx says where no whole answer came."""
    return Lost(str(error) or type(error).__name__, passing=isinstance(error, PASSING))
