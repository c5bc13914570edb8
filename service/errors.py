"""The errors of the service, independent of HTTP. Each class is one fact, and the message is one sentence.

ServiceError
├── RequestError            the client can correct the request or send it again later
│   ├── MalformedBody       the body is not in the format that its headers claim
│   ├── InvalidRequest      a value is missing, unknown, of the wrong type or out of range
│   ├── UnsupportedFormat   no codec reads the Content-Type of the request
│   ├── NotAcceptable       no codec can write the requested format or outputs
│   ├── BodyTooSlow         the body of the request did not arrive in time
│   ├── TooLarge            the body, its rows or the requested sample exceed a limit
│   ├── ModelNotFound       no model of this name is served
│   ├── VersionNotFound     the model is served, but it has no such version
│   ├── PrecisionNotFound   the version is served, but not in this precision
│   ├── FileNotInBundle     the version is served, but its bundle has no such file
│   ├── Overloaded          too much work is queued; it is Retryable too
│   │   └── QuotaExceeded   the API key has used its rows a second
│   ├── Unauthorized        the path needs an API key, and the request has none that is valid
│   ├── Forbidden           the scope of the API key does not allow the path
│   ├── CrossSite           a page of another site sent the request
│   └── HostNotAllowed      the service does not answer under the name that the request uses
├── Retryable               the same request can succeed later; the error carries a time to try again
│   ├── DeadlinePassed      the answer was not computed before the deadline
│   └── VersionLoading      the check of the version has not ended
├── VersionRefused          the version is on disk, but its bundle failed a check and is not served
├── SettingsInvalid         a setting is of the wrong type or out of range
├── NothingToServe          the repository holds no model that can be served
├── NotListening            the service cannot listen on the configured host and port
├── WorkerFailed            a worker process could not start
└── NotComputing            the engines did not answer a health probe in time

The errors of the engines are in `diffeo.runtime.errors`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from diffeo.bundle.errors import listed as listed  # noqa: PLC0414  (used by error sentences of the service)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request.

    Attributes:
        pointer: RFC 6901 JSON pointer to the field; empty for the whole body.
        detail: one sentence that describes the error.
    """

    pointer: str
    detail: str


class ServiceError(Exception):
    """An error that the service answers with a problem document, or that stops its start."""


class RequestError(ServiceError):
    """The client can correct the request or send it again later.

    Attributes:
        field_errors: the wrong fields of the request, if the error is about fields.
        parameters: the parameters of the request, if a codec had read them from the body before the error. The access
            line takes the model and the version from them.
    """

    def __init__(self, detail: str, field_errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.field_errors = tuple(field_errors)
        self.parameters: Mapping[str, object] = {}

    @classmethod
    def at(cls, pointer: str, detail: str) -> Self:
        """An error about one field; the sentence is also that of the field."""
        return cls(detail, [FieldError(pointer, detail)])


class MalformedBody(RequestError):
    """The body is not in the format that its headers claim."""


class InvalidRequest(RequestError):
    """A value is missing, unknown, of the wrong type or out of range."""


class UnsupportedFormat(RequestError):
    """No codec reads the Content-Type of the request."""


class NotAcceptable(RequestError):
    """No codec can write the requested format or outputs."""


class BodyTooSlow(RequestError):
    """The body of the request did not arrive in time."""


class TooLarge(RequestError):
    """The body, its rows or the requested sample exceed a limit."""


class ModelNotFound(RequestError):
    """No model of this name is served."""


class VersionNotFound(RequestError):
    """The model is served, but it has no such version."""


class PrecisionNotFound(RequestError):
    """The version is served, but not in this precision."""


class FileNotInBundle(RequestError):
    """The version is served, but its bundle has no such file."""


class Retryable(ServiceError):
    """The same request can succeed later.

    Args:
        detail: the sentence.
        seconds: estimated time until then.
    """

    def __init__(self, detail: str, seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.seconds = seconds

    @property
    def retry_after(self) -> int:
        """Whole seconds that a client must wait before it tries again, at least 1."""
        return _whole_seconds(self.seconds)


class Overloaded(Retryable, RequestError):
    """Too much work is queued."""


class QuotaExceeded(Overloaded):
    """The API key has used its rows a second, also those of the next `seconds`."""


class Unauthorized(RequestError):
    """The path needs an API key, and the request has none that is valid."""


class Forbidden(RequestError):
    """The scope of the API key does not allow the path."""


class CrossSite(RequestError):
    """A page of another site made a browser send the request."""


class HostNotAllowed(RequestError):
    """The service does not answer under the name that the request uses."""


class DeadlinePassed(Retryable):
    """The answer was not computed before the deadline of the request."""


class VersionLoading(Retryable):
    """The check of the version has not ended."""


class VersionRefused(ServiceError):
    """The version is on disk, but its bundle failed a check and is not served."""


class SettingsInvalid(ServiceError):
    """A setting is of the wrong type or out of range."""


class NothingToServe(ServiceError):
    """The repository holds no model that can be served."""


class NotListening(ServiceError):
    """The service cannot listen on the configured host and port."""


class WorkerFailed(ServiceError):
    """A worker process could not start."""


class NotComputing(ServiceError):
    """The engines did not answer a health probe in time."""


def _whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))
