"""What a client can be told; each class is one fact.

DiffeoError
├── Unreachable     no service answers at the address
├── Problem         the service answered with a problem document
├── WrongTable      rows that are no table, or a frame without the columns of the model
├── TableError      a file of rows cannot be read or written
├── OtherJob        a folder holds another job than the one asked for
├── WorkerLost      a process that computed was ended by the system
└── NotInstalled    this needs a package that is not installed
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class DiffeoError(Exception):
    """Anything that stands between a caller and an answer."""


class Unreachable(DiffeoError):
    """No service answers at the address."""


class Problem(DiffeoError):
    """The service answered with a problem document (RFC 9457).

    Attributes:
        status: HTTP status code.
        type: urn that names the kind of problem.
        faults: (JSON pointer, detail) of each place in the request that is wrong.
        request_id: what the service's log calls the request.
    """

    def __init__(self, status: int, kind: str, detail: str, faults: Sequence[tuple[str, str]], request_id: str) -> None:
        places = "; ".join(f"{pointer}: {text}" for pointer, text in faults if text != detail)
        super().__init__(f"{detail} ({places})" if places else detail)
        self.status = status
        self.type = kind
        self.faults = tuple(faults)
        self.request_id = request_id


class WrongTable(DiffeoError, ValueError):
    """Rows that are no table, or a frame without the columns of the model."""


class TableError(DiffeoError):
    """A file of rows cannot be read or written."""


class OtherJob(DiffeoError):
    """A folder holds another job than the one asked for."""


class WorkerLost(DiffeoError):
    """A process that computed was ended by the system."""


class NotInstalled(DiffeoError):
    """This needs a package that is not installed."""


@contextmanager
def needing(purpose: str, extra: str) -> Iterator[None]:
    """Where an import fails in here, say what to install.

    Raises:
        NotInstalled: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "a package").partition(".")[0]
        raise NotInstalled(f"{purpose} needs {package}; pip install 'diffeo[{extra}]'") from error
