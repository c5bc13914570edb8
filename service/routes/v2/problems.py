"""Turns errors into those of the protocol, `{"error": "a sentence"}`, for every path below /v2."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

import orjson
from starlette.exceptions import HTTPException

from ...errors import DeadlinePassed, FieldError, InvalidRequest, Overloaded, RequestError, UnsupportedFormat
from ..problems import INTERNAL, PROBLEM_TYPES, http_headers
from ..request_context import Header, HttpResponse

JSON: Final = b"application/json"
# The protocol has no status 422.
STATUSES: Final[Mapping[type[Exception], HTTPStatus]] = {
    **{error: problem.status for error, problem in PROBLEM_TYPES.items()},
    InvalidRequest: HTTPStatus.BAD_REQUEST,
}

log = logging.getLogger("diffeo")


def error_response(error: Exception, identifier: str) -> HttpResponse:
    """The response to any error.

    The text of an unexpected error goes to the log under the request id and not to the client, because it may name
    files and addresses.
    """
    if isinstance(error, HTTPException):
        return _http_error(error)
    status = STATUSES.get(type(error), INTERNAL.status)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("the request failed", exc_info=error, extra={"request_id": identifier})
        return _response(status, f"{INTERNAL.title}; the log has the reason under the request id {identifier}")
    return _response(status, _sentence(error), *_headers(error, status))


def _http_error(error: HTTPException) -> HttpResponse:
    sentence = "no such path; docs/protocol.md lists the paths below /v2"
    if error.headers and "allow" in error.headers:
        sentence = f"this path takes {error.headers['allow']}"
    return _response(HTTPStatus(error.status_code), sentence, *http_headers(error))


def _sentence(error: Exception) -> str:
    sentence = str(error)
    field_errors = error.field_errors if isinstance(error, RequestError) else ()
    # A problem document has a pointer to each wrong field. The protocol has only the sentence, so it names the fields.
    names = [name for name in _names(field_errors) if name not in sentence]
    return f"{', '.join(names)}: {sentence}" if names else sentence


def _names(field_errors: Iterable[FieldError]) -> list[str]:
    return list(dict.fromkeys(name for each in field_errors if (name := each.pointer[1:].partition("/")[0])))


def _headers(error: Exception, status: HTTPStatus) -> list[Header]:
    if isinstance(error, Overloaded | DeadlinePassed):
        return [(b"retry-after", b"%d" % error.retry_after)]
    if isinstance(error, UnsupportedFormat):
        return [(b"accept-encoding", b"gzip, deflate")]
    return [(b"connection", b"close")] if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else []


def _response(status: HTTPStatus, sentence: str, *headers: Header) -> HttpResponse:
    content = orjson.dumps({"error": sentence})
    length = (b"content-length", b"%d" % len(content))
    return HttpResponse(int(status), [(b"content-type", JSON), length, *headers], content)
