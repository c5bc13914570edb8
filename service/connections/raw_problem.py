"""Problem documents that are sent without the application, because the request never reached it."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final


@dataclass(frozen=True, slots=True)
class RawProblem:
    """One such problem.

    Attributes:
        type: the last part of its URN.
        response: head and body of the response, which closes the connection. The request has no id, because its head
            was not read.
        kept_response: the same, but the connection stays open.
    """

    type: str
    response: bytes
    kept_response: bytes


def _problem(status: HTTPStatus, name: str, title: str, detail: str, headers: bytes = b"") -> RawProblem:
    document = {
        "type": f"urn:diffeo:problem:{name}",
        "title": title,
        "status": int(status),
        "detail": detail,
        "errors": [],
        "request_id": "",
    }
    content = json.dumps(document, separators=(",", ":")).encode()
    head = b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode())
    head += b"content-type: application/problem+json\r\ncontent-length: %d\r\n" % len(content)
    head += headers
    return RawProblem(name, head + b"connection: close\r\n\r\n" + content, head + b"\r\n" + content)


MALFORMED: Final = _problem(
    HTTPStatus.BAD_REQUEST,
    "malformed-request",
    "The request is not valid HTTP",
    "the head of the request is not valid HTTP/1.1; the connection is closed",
)
HOST: Final = _problem(
    HTTPStatus.BAD_REQUEST,
    "malformed-request",
    "The request is not valid HTTP",
    "a request of HTTP/1.1 needs exactly one Host header",
)
VERSION: Final = _problem(
    HTTPStatus.BAD_REQUEST,
    "malformed-request",
    "The request is not valid HTTP",
    "the service speaks HTTP/1.1 and HTTP/1.0",
)
TRANSFER_ENCODING: Final = _problem(
    HTTPStatus.BAD_REQUEST,
    "malformed-request",
    "The request is not valid HTTP",
    "Transfer-Encoding must be chunked, in HTTP/1.1",
)
HEAD_TOO_LARGE: Final = _problem(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "head-too-large",
    "The head of the request is above a limit",
    "request line and headers may have 16384 bytes and 100 headers; send fewer or shorter headers",
)
TARGET_TOO_LONG: Final = _problem(
    HTTPStatus.REQUEST_URI_TOO_LONG,
    "target-too-long",
    "The URL is above a limit",
    "path and query may have 8192 bytes; send the rows in the body",
)
# The only one after which the connection is kept, if the rest of the request is short.
OVERLOADED: Final = _problem(
    HTTPStatus.TOO_MANY_REQUESTS,
    "overloaded",
    "Too much work is queued",
    "more requests arrived at once than the service reads and answers within the longest wait (DIFFEO_MAX_WAIT_MS); "
    "try again in 1 s",
    b"retry-after: 1\r\n",
)
HEAD_TIMEOUT: Final = _problem(
    HTTPStatus.REQUEST_TIMEOUT,
    "request-timeout",
    "The request came too slowly",
    "the head of the request did not arrive in time (DIFFEO_HEAD_SECONDS); the connection is closed",
)
CROWDED: Final = _problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-connections",
    "The service has too many connections",
    "the service has as many connections as it accepts (DIFFEO_MAX_CONNECTIONS); keep connections open, or retry later",
    b"retry-after: 1\r\n",
)
