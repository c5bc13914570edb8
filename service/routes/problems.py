"""Errors as RFC 9457 problem documents: a closed set of types, never a path, a traceback or an echo of the input."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from diffeo.runtime.errors import EngineFailed

from .. import errors
from ..errors import FieldError, Overloaded, RequestError
from .access import request_id
from .request_context import Header, Reply

MEDIA_TYPE: Final = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """What one class of error is to a client."""

    status: HTTPStatus
    type: str
    title: str


KINDS: Final[dict[type[Exception], Kind]] = {
    errors.MalformedBody: Kind(HTTPStatus.BAD_REQUEST, "malformed-body", "The body is not what it claims to be"),
    errors.InvalidRequest: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "A value does not fit"),
    errors.UnsupportedFormat: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-format", "This format is not read"),
    errors.NotAcceptable: Kind(HTTPStatus.NOT_ACCEPTABLE, "not-acceptable", "This format cannot carry the answer"),
    errors.TooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", "The request is above a limit"),
    errors.ModelNotFound: Kind(HTTPStatus.NOT_FOUND, "model-not-found", "No such model"),
    errors.VersionNotFound: Kind(HTTPStatus.NOT_FOUND, "version-not-found", "No such version"),
    errors.PrecisionNotFound: Kind(HTTPStatus.NOT_FOUND, "precision-not-found", "Not in this precision"),
    errors.FileNotInBundle: Kind(HTTPStatus.NOT_FOUND, "file-not-found", "No such file in the bundle"),
    errors.Overloaded: Kind(HTTPStatus.TOO_MANY_REQUESTS, "overloaded", "Too much waits already"),
    errors.DeadlinePassed: Kind(HTTPStatus.GATEWAY_TIMEOUT, "deadline-passed", "The deadline has passed"),
    errors.VersionRefused: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "version-refused", "The bundle was refused"),
    EngineFailed: Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "engine-failed", "The runtime failed"),
}
# What nobody foresaw, and what only a start can meet.
INTERNAL: Final = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service failed")
CLIENT_GONE: Final = 499  # nginx's number; nobody receives it, the log and the metrics show it
GONE: Final = "client-gone"
# All that a request can end with instead of an answer: why, and the status. What is not in it counts as the first.
REFUSALS: Final = (
    *((kind.type, int(kind.status)) for kind in (INTERNAL, *KINDS.values())),
    # The same over the Open Inference Protocol, which knows no 422.
    (KINDS[errors.InvalidRequest].type, int(HTTPStatus.BAD_REQUEST)),
    (GONE, CLIENT_GONE),
)

log = logging.getLogger("diffeo")


def kind_of(error: Exception) -> Kind:
    """What an error is to a client."""
    return KINDS.get(type(error), INTERNAL)


def reply_to(error: Exception, identity: str) -> Reply:
    """The problem for an error of ours, and for what nobody foresaw."""
    kind = kind_of(error)
    if kind.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        # What a runtime says of itself may name files and addresses; it goes to the log, not to the client.
        log.error("the request failed", exc_info=error, extra={"request_id": identity})
        return _problem(kind, kind.title, identity)
    reply = _problem(kind, str(error), identity, error.field_errors if isinstance(error, RequestError) else ())
    if isinstance(error, Overloaded):
        reply.headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.seconds))))
    return reply


async def on_error(http: Request, error: Exception) -> Response:
    """The same for FastAPI's routes."""
    return _response(reply_to(error, request_id(http.scope)))


async def on_http_error(http: Request, error: Exception) -> Response:
    """The problem for a path or method that does not exist."""
    code = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    status = HTTPStatus(code)
    kind = Kind(status, status.phrase.lower().replace(" ", "-"), status.phrase)
    reply = _problem(kind, f"{status.phrase}; GET /docs lists what there is", request_id(http.scope))
    response = _response(reply)
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})
    return response


def _problem(kind: Kind, detail: str, identity: str, faults: Sequence[FieldError] = ()) -> Reply:
    content = orjson.dumps(
        {
            "type": f"urn:diffeo:problem:{kind.type}",
            "title": kind.title,
            "status": int(kind.status),
            "detail": detail,
            "errors": [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults],
            "request_id": identity,
        }
    )
    headers: list[Header] = [(b"content-type", MEDIA_TYPE), (b"content-length", b"%d" % len(content))]
    if kind.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers.append((b"connection", b"close"))
    return Reply(int(kind.status), headers, content)


def _response(reply: Reply) -> Response:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}
    return Response(reply.content, reply.status, headers)
