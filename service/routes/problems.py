"""Errors as RFC 9457 problem documents: a closed set of types, never a path, a traceback or an echo of the input."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service import errors
from service.errors import Fault, RequestError, ServiceError
from service.routes.access import request_id

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """What one class of error is to a client."""

    status: HTTPStatus
    type: str
    title: str


KINDS: Final[dict[type[ServiceError], Kind]] = {
    errors.MalformedBody: Kind(HTTPStatus.BAD_REQUEST, "malformed-body", "The body is not what it claims to be"),
    errors.InvalidRequest: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "A value does not fit"),
    errors.UnsupportedFormat: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-format", "This format is not read"),
    errors.NotAcceptable: Kind(HTTPStatus.NOT_ACCEPTABLE, "not-acceptable", "This format cannot carry the answer"),
    errors.TooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", "The request is above a limit"),
    errors.ModelNotFound: Kind(HTTPStatus.NOT_FOUND, "model-not-found", "No such model"),
    errors.VersionNotFound: Kind(HTTPStatus.NOT_FOUND, "version-not-found", "No such version"),
    errors.VersionRefused: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "version-refused", "The bundle was refused"),
    errors.EngineFailed: Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "engine-failed", "The runtime failed"),
}
# What nobody foresaw, and what only a start can meet.
INTERNAL: Final = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service failed")
CLIENT_GONE: Final = 499  # nginx's number; nobody receives it, the log shows it

log = logging.getLogger("diffeo")


async def on_error(http: Request, error: Exception) -> Response:
    """The problem for an error of ours, and for what nobody foresaw."""
    kind = KINDS.get(type(error), INTERNAL) if isinstance(error, ServiceError) else INTERNAL
    if kind.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        # What a runtime says of itself may name files and addresses; it goes to the log, not to the client.
        log.error("the request failed", exc_info=error, extra={"request_id": request_id(http.scope)})
        return problem(http, kind, kind.title)
    return problem(http, kind, str(error), error.faults if isinstance(error, RequestError) else ())


async def on_client_gone(_: Request, __: Exception) -> Response:
    """The end of a request whose client left before its body was whole; no failure of ours."""
    return Response(status_code=CLIENT_GONE)


async def on_http_error(http: Request, error: Exception) -> Response:
    """The problem for a path or method that does not exist."""
    code = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    status = HTTPStatus(code)
    kind = Kind(status, status.phrase.lower().replace(" ", "-"), status.phrase)
    response = problem(http, kind, f"{status.phrase}; GET /docs lists what there is")
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})
    return response


def problem(http: Request, kind: Kind, detail: str, faults: Sequence[Fault] = ()) -> Response:
    """One problem document."""
    content = {
        "type": f"urn:diffeo:problem:{kind.type}",
        "title": kind.title,
        "status": int(kind.status),
        "detail": detail,
        "errors": [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults],
        "request_id": request_id(http.scope),
    }
    headers = {"connection": "close"} if kind.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else None
    return Response(orjson.dumps(content), int(kind.status), headers, MEDIA_TYPE)
