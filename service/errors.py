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
├── ProviderMissing         the settings ask for an execution provider that this machine lacks
├── EngineFailed            a runtime could not load or compute a graph
├── NothingToServe          the repository holds no model
├── NotListening            the address cannot be listened on
├── WorkerFailed            a worker process could not start
└── NotComputing            the engines gave no answer to a probe in time
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

SHOWN_CHARACTERS: Final = 160


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


class ProviderMissing(ServiceError):
    """The settings ask for an execution provider that this machine lacks."""


class EngineFailed(ServiceError):
    """A runtime could not load or compute a graph."""


class NothingToServe(ServiceError):
    """The repository holds no model."""


class NotListening(ServiceError):
    """The address cannot be listened on."""


class WorkerFailed(ServiceError):
    """A worker process could not start."""


class NotComputing(ServiceError):
    """The engines gave no answer to a probe in time."""


def listed(names: Iterable[object]) -> str:
    """Names for a sentence, cut before it is too long to be one."""
    text = ", ".join(map(str, names))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS].rpartition(', ')[0]}, ..."
