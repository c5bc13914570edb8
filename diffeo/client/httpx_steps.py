"""Converts between the client's steps and httpx: requests, response heads and transport errors."""

import math
from collections.abc import Mapping
from typing import Final

import httpx

from .steps import ResponseHead, SendRequest, TransportFailure

# Numbers hardly compress; without this header a proxy may spend time on it.
DEFAULT_HEADERS: Final = {"accept-encoding": "identity"}
# A broken connection or a restarting service causes these, and a retry may succeed. Other errors are permanent.
TRANSIENT: Final = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


def with_default_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers of every request of a client: the defaults, then the user's own."""
    return {**DEFAULT_HEADERS, **(headers or {})}


def build_request(http: httpx.Client | httpx.AsyncClient, step: SendRequest) -> httpx.Request:
    """The httpx request of a step."""
    request = step.request
    seconds = None if step.seconds == math.inf else max(step.seconds, 0.0)
    return http.build_request(
        request.method,
        request.path,
        params=request.query or None,
        content=request.content,
        headers=request.headers,
        timeout=seconds,
    )


def response_head(response: httpx.Response) -> ResponseHead:
    """Status and headers of an httpx response."""
    return ResponseHead(response.status_code, response.headers)


def transport_failure(error: httpx.RequestError) -> TransportFailure:
    """The failure that an httpx error means."""
    return TransportFailure(str(error) or type(error).__name__, transient=isinstance(error, TRANSIENT))
