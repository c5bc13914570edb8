"""Errors as the protocol has them: `{"error": "a sentence"}`, for every path below /v2 and whatever happens there."""

import logging
import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

import orjson

from ...errors import FieldError, InvalidRequest, Overloaded, RequestError, UnsupportedFormat
from ..problems import INTERNAL, KINDS
from ..request_context import Header, Reply

JSON: Final = b"application/json"
# The protocol knows no 422.
STATUSES: Final[Mapping[type[Exception], HTTPStatus]] = {
    **{error: kind.status for error, kind in KINDS.items()},
    InvalidRequest: HTTPStatus.BAD_REQUEST,
}

log = logging.getLogger("diffeo")


class NoSuchPath(Exception):
    """Nothing is served there."""

    def __init__(self) -> None:
        super().__init__("no such path; docs/protocol.md lists what there is below /v2")


class WrongMethod(Exception):
    """The path takes another method.

    Attributes:
        allowed: the method that it takes.
    """

    def __init__(self, allowed: str) -> None:
        super().__init__(f"this path takes {allowed}")
        self.allowed = allowed


def reply_to(error: Exception, identity: str) -> Reply:
    """The answer to a request that met an error, foreseen or not."""
    if isinstance(error, NoSuchPath):
        return _reply(HTTPStatus.NOT_FOUND, str(error))
    if isinstance(error, WrongMethod):
        return _reply(HTTPStatus.METHOD_NOT_ALLOWED, str(error), (b"allow", error.allowed.encode()))
    status = STATUSES.get(type(error), INTERNAL.status)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        # What a runtime says of itself may name files and addresses; it goes to the log, not to the client.
        log.error("the request failed", exc_info=error, extra={"request_id": identity})
        return _reply(status, f"{INTERNAL.title}; the log has more under {identity}")
    return _reply(status, _sentence(error), *_headers(error, status))


def _sentence(error: Exception) -> str:
    sentence = str(error)
    faults = error.field_errors if isinstance(error, RequestError) else ()
    # Elsewhere a pointer says where the fault is; here the sentence is all there is.
    names = [name for name in _names(faults) if name not in sentence]
    return f"{', '.join(names)}: {sentence}" if names else sentence


def _names(faults: Iterable[FieldError]) -> list[str]:
    return list(dict.fromkeys(name for fault in faults if (name := fault.pointer[1:].partition("/")[0])))


def _headers(error: Exception, status: HTTPStatus) -> list[Header]:
    if isinstance(error, Overloaded):
        return [(b"retry-after", b"%d" % max(1, math.ceil(error.seconds)))]
    if isinstance(error, UnsupportedFormat):
        return [(b"accept-encoding", b"gzip, deflate")]
    return [(b"connection", b"close")] if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else []


def _reply(status: HTTPStatus, sentence: str, *headers: Header) -> Reply:
    content = orjson.dumps({"error": sentence})
    length = (b"content-length", b"%d" % len(content))
    return Reply(int(status), [(b"content-type", JSON), length, *headers], content)
