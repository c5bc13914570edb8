"""Turns errors into RFC 9457 problem documents: a closed set of types, and no path, traceback or copy of the input."""

import logging
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
from ..errors import FieldError, RequestError, Retryable, Unauthorized
from .access import log_problem, request_id
from .request_context import Header, HttpResponse

MEDIA_TYPE: Final = b"application/problem+json"
AUTHENTICATE: Final[Header] = (b"www-authenticate", b'Bearer realm="diffeo"')


@dataclass(frozen=True, slots=True)
class ProblemType:
    """How one class of error is shown to a client."""

    status: HTTPStatus
    type: str
    title: str


PROBLEM_TYPES: Final[dict[type[Exception], ProblemType]] = {
    errors.MalformedBody: ProblemType(HTTPStatus.BAD_REQUEST, "malformed-body", "The body cannot be read"),
    errors.InvalidRequest: ProblemType(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "A value in the request is missing or wrong"
    ),
    errors.UnsupportedFormat: ProblemType(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-format", "The format of the body is not supported"
    ),
    errors.NotAcceptable: ProblemType(
        HTTPStatus.NOT_ACCEPTABLE, "not-acceptable", "The requested format cannot hold the answer"
    ),
    errors.TooLarge: ProblemType(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", "The request is above a limit"),
    errors.BodyTooSlow: ProblemType(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", "The request came too slowly"),
    errors.ModelNotFound: ProblemType(HTTPStatus.NOT_FOUND, "model-not-found", "The model does not exist"),
    errors.VersionNotFound: ProblemType(HTTPStatus.NOT_FOUND, "version-not-found", "The version does not exist"),
    errors.PrecisionNotFound: ProblemType(
        HTTPStatus.NOT_FOUND, "precision-not-found", "The version is not served in this precision"
    ),
    errors.FileNotInBundle: ProblemType(HTTPStatus.NOT_FOUND, "file-not-found", "The bundle has no such file"),
    errors.Overloaded: ProblemType(HTTPStatus.TOO_MANY_REQUESTS, "overloaded", "Too much work is queued"),
    errors.QuotaExceeded: ProblemType(HTTPStatus.TOO_MANY_REQUESTS, "quota-exceeded", "The quota is used up"),
    errors.DeadlinePassed: ProblemType(HTTPStatus.GATEWAY_TIMEOUT, "deadline-passed", "The deadline has passed"),
    errors.VersionLoading: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "version-loading", "The version is loading"),
    errors.VersionRefused: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "version-refused", "The version was refused"),
    errors.Unauthorized: ProblemType(HTTPStatus.UNAUTHORIZED, "unauthorized", "An API key is needed"),
    errors.Forbidden: ProblemType(HTTPStatus.FORBIDDEN, "forbidden", "The API key does not allow this"),
    errors.CrossSite: ProblemType(HTTPStatus.FORBIDDEN, "cross-site", "A page of another site sent the request"),
    errors.HostNotAllowed: ProblemType(
        HTTPStatus.MISDIRECTED_REQUEST, "host-not-allowed", "The service does not answer under this name"
    ),
    EngineFailed: ProblemType(HTTPStatus.INTERNAL_SERVER_ERROR, "engine-failed", "The engine failed"),
}
# For unexpected errors, and for errors that occur only while the service starts.
INTERNAL: Final = ProblemType(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service failed")
# No client receives this status. Logs and metrics show it; nginx uses the same number.
STATUS_CLIENT_DISCONNECTED: Final = 499
CLIENT_DISCONNECTED: Final = "client-disconnected"
# Problem type and status of every request that can end without an answer. The first counts all that are not listed.
REJECTIONS: Final = (
    *((problem.type, int(problem.status)) for problem in (INTERNAL, *PROBLEM_TYPES.values())),
    # The Open Inference Protocol has no status 422.
    (PROBLEM_TYPES[errors.InvalidRequest].type, int(HTTPStatus.BAD_REQUEST)),
    (CLIENT_DISCONNECTED, STATUS_CLIENT_DISCONNECTED),
)

log = logging.getLogger("diffeo")


def problem_type_of(error: Exception) -> ProblemType:
    """The problem type of an error: INTERNAL for an unexpected error."""
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        return ProblemType(status, status.phrase.lower().replace(" ", "-"), status.phrase)
    return PROBLEM_TYPES.get(type(error), INTERNAL)


def error_response(error: Exception, identifier: str) -> HttpResponse:
    """The problem document for an error.

    The text of an unexpected error goes to the log under the request id and not to the client, because it may name
    files and addresses.
    """
    problem = problem_type_of(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("the request failed", exc_info=error, extra={"request_id": identifier})
        return _document(problem, problem.title, identifier)
    if isinstance(error, HTTPException):
        response = _document(problem, f"{problem.title}; GET /docs lists every path", identifier)
        response.headers.extend(http_headers(error))
        return response
    response = _document(problem, str(error), identifier, error.field_errors if isinstance(error, RequestError) else ())
    response.headers.extend(error_headers(error))
    return response


async def on_error(request: Request, error: Exception) -> Response:
    """The exception handler of the FastAPI application."""
    log_problem(request.scope, problem_type_of(error).type)
    response = error_response(error, request_id(request.scope))
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    return Response(response.content, response.status, headers)


def http_headers(error: HTTPException) -> list[Header]:
    """The headers of an HTTP error, such as Allow, in lower case."""
    return [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]


def error_headers(error: Exception) -> list[Header]:
    """The headers that tell a client how to send a request again."""
    if isinstance(error, Retryable):
        return [(b"retry-after", b"%d" % error.retry_after)]
    return [AUTHENTICATE] if isinstance(error, Unauthorized) else []


def _document(
    problem: ProblemType, detail: str, identifier: str, field_errors: Sequence[FieldError] = ()
) -> HttpResponse:
    content = orjson.dumps(
        {
            "type": f"urn:diffeo:problem:{problem.type}",
            "title": problem.title,
            "status": int(problem.status),
            "detail": detail,
            "errors": [{"pointer": each.pointer, "detail": each.detail} for each in field_errors],
            "request_id": identifier,
        }
    )
    headers: list[Header] = [(b"content-type", MEDIA_TYPE), (b"content-length", b"%d" % len(content))]
    if problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers.append((b"connection", b"close"))
    return HttpResponse(int(problem.status), headers, content)
