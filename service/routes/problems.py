"""Errors as RFC 9457 problem documents: a closed set of types, never a path, a traceback or an echo of the input."""

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
    errors.TooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", "The body is above the limit"),
    errors.ModelNotFound: Kind(HTTPStatus.NOT_FOUND, "model-not-found", "No such model"),
    errors.VersionNotFound: Kind(HTTPStatus.NOT_FOUND, "version-not-found", "No such version"),
    errors.VersionRefused: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "version-refused", "The bundle was refused"),
    errors.EngineFailed: Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "engine-failed", "The runtime failed"),
}
INTERNAL: Final = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service failed")


async def on_service_error(http: Request, error: Exception) -> Response:
    """The problem for an error of ours."""
    kind = KINDS.get(type(error), INTERNAL) if isinstance(error, ServiceError) else INTERNAL
    # What a runtime says of itself may name files and addresses; it goes to the log, not to the client.
    told = kind.status < HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(error, errors.VersionRefused)
    faults = error.faults if isinstance(error, RequestError) else ()
    return problem(http, kind, str(error) if told else kind.title, faults)


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
