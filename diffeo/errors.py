"""The errors of the client, the command line and bulk jobs. Each class names one reason.

DiffeoError
├── Unreachable     no diffeo service answers at the address
├── Problem         the service answered with a problem document
├── InvalidApiKey   the API key holds a character that no key has
├── WrongTable      the rows are not a table of numbers with the model's columns
├── TableError      a file of rows cannot be read or written
├── FolderInUse     the output folder holds another job or other files
├── WorkerLost      a worker process ended before its work was done
└── NotInstalled    a package that this feature needs is not installed
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class DiffeoError(Exception):
    """The base class of all errors in this file."""


class Unreachable(DiffeoError):
    """No diffeo service answers at the address."""


class Problem(DiffeoError):
    """The service answered with a problem document (RFC 9457).

    Attributes:
        status: HTTP status code.
        type: URN of the problem type.
        field_errors: (JSON pointer, detail) of each wrong field of the request.
        request_id: ID of the request in the service's log; empty when the service did not compute the answer.
    """

    def __init__(
        self, status: int, problem_type: str, detail: str, field_errors: Sequence[tuple[str, str]], request_id: str
    ) -> None:
        fields = "; ".join(f"{pointer}: {text}" for pointer, text in field_errors if text != detail)
        super().__init__(f"{detail} ({fields})" if fields else detail)
        self.status = status
        self.type = problem_type
        self.field_errors = tuple(field_errors)
        self.request_id = request_id


class InvalidApiKey(DiffeoError):
    """The API key holds a character that no key has."""


class WrongTable(DiffeoError, ValueError):
    """The rows are not a table of numbers with the model's columns."""


class TableError(DiffeoError):
    """A file of rows cannot be read or written."""


class FolderInUse(DiffeoError):
    """The output folder holds another job or other files."""


class WorkerLost(DiffeoError):
    """A worker process ended before its work was done."""


class NotInstalled(DiffeoError):
    """A package that this feature needs is not installed."""


@contextmanager
def requires_extra(feature: str, extra: str) -> Iterator[None]:
    """Turn a failed import in this block into a sentence that names the package to install.

    Args:
        feature: subject of that sentence.
        extra: optional dependency group of diffeo that contains the package.

    Raises:
        NotInstalled: an import in this block failed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "a package").partition(".")[0]
        raise NotInstalled(f"{feature} needs {package}; pip install 'diffeo[{extra}]'") from error
