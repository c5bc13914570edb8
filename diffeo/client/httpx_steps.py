"""Converts between the client's steps and httpx: requests, response heads and transport errors."""

import math
import os
import re
from collections.abc import Mapping
from typing import Final

import httpx

from diffeo.errors import InvalidApiKey

from .steps import ResponseHead, SendRequest, TransportFailure

# Numbers hardly compress; without this header a proxy may spend time on it.
DEFAULT_HEADERS: Final = {"accept-encoding": "identity"}
KEY_VARIABLE: Final = "DIFFEO_API_KEY"
KEY_HEADER: Final = "x-api-key"
VISIBLE: Final = re.compile(r"[!-~]+")
# A broken connection or a restarting service causes these, and a retry may succeed. Other errors are permanent.
TRANSIENT: Final = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


def with_default_headers(headers: Mapping[str, str] | None, api_key: str | None = None) -> dict[str, str]:
    """The headers of every request of a client: the defaults, the API key, then the user's own.

    Args:
        headers: the user's own.
        api_key: the key; None takes that of the variable DIFFEO_API_KEY, if there is one.

    Raises:
        InvalidApiKey: the key holds a character that no key has.
    """
    key = (os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key).strip()
    if not key:
        return {**DEFAULT_HEADERS, **(headers or {})}
    if not VISIBLE.fullmatch(key):
        raise InvalidApiKey(
            f"the API key (api_key or {KEY_VARIABLE}) holds a character that no key has, such as a space"
        )
    # Authorization stays free for a proxy that asks for a token of its own.
    return {**DEFAULT_HEADERS, KEY_HEADER: key, **(headers or {})}


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
