"""What can be wrong with a request or a model, told without HTTP; each class is one fact.

ServiceError
├── RequestError            the client can mend it
│   ├── MalformedBody       the bytes are not the format they claim to be
│   ├── InvalidRequest      a value is missing, unknown, of the wrong type or out of range
│   ├── UnsupportedFormat   no codec reads this content type
│   ├── NotAcceptable       no codec writes what is asked for
│   ├── TooLarge            a body, a batch or a sample above the limit
│   ├── ModelNotFound       no such model is served
│   ├── VersionNotFound     the model is served, this version is not
│   ├── PrecisionNotFound   the version is served, not in this precision
│   ├── FileNotInBundle     the version is served, and its bundle has no such file
│   └── Overloaded          too many rows wait already; it says when to come back
├── DeadlinePassed          the answer was not there when the client stopped waiting for it
├── VersionRefused          the version is on disk, and its bundle was refused
├── SettingsInvalid         a setting is of the wrong type or out of range
├── NothingToServe          the repository holds no model
├── NotListening            the address cannot be listened on
├── WorkerFailed            a worker process could not start
└── NotComputing            the engines gave no answer to a probe in time

The errors of the engines are in `diffeo.runtime.errors`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from diffeo.bundle.errors import listed as listed  # noqa: PLC0414  (for the service's own error sentences)


@dataclass(frozen=True, slots=True)
class Fault:
    """One place in a request and what is wrong there; `pointer` is an RFC 6901 JSON pointer."""

    pointer: str
    detail: str


class ServiceError(Exception):
    """Anything the service answers with a problem instead of a result."""


class RequestError(ServiceError):
    """The client can mend it."""

    def __init__(self, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.faults = tuple(faults)

    @classmethod
    def at(cls, pointer: str, detail: str) -> Self:
        """The error for one fault; its detail is the error's own."""
        return cls(detail, [Fault(pointer, detail)])


class MalformedBody(RequestError):
    """The bytes are not the format they claim to be."""


class InvalidRequest(RequestError):
    """A value is missing, unknown, of the wrong type or out of range."""


class UnsupportedFormat(RequestError):
    """No codec reads this content type."""


class NotAcceptable(RequestError):
    """No codec writes what is asked for."""


class TooLarge(RequestError):
    """A body, a batch or a sample above the limit."""


class ModelNotFound(RequestError):
    """No such model is served."""


class VersionNotFound(RequestError):
    """The model is served, this version is not."""


class PrecisionNotFound(RequestError):
    """The version is served, not in this precision."""


class FileNotInBundle(RequestError):
    """The version is served, and its bundle has no such file."""


class Overloaded(RequestError):
    """Too many rows wait already.

    Attributes:
        seconds: after so long what waits now should be computed.
    """

    def __init__(self, detail: str, seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.seconds = seconds


class DeadlinePassed(ServiceError):
    """The answer was not there when the client stopped waiting for it."""


class VersionRefused(ServiceError):
    """The version is on disk, and its bundle was refused."""


class SettingsInvalid(ServiceError):
    """A setting is of the wrong type or out of range."""


class NothingToServe(ServiceError):
    """The repository holds no model."""


class NotListening(ServiceError):
    """The address cannot be listened on."""


class WorkerFailed(ServiceError):
    """A worker process could not start."""


class NotComputing(ServiceError):
    """The engines gave no answer to a probe in time."""
