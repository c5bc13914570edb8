"""What a client can be told; each class is one fact.

DiffeoError
├── Unreachable     no service answers at the address
├── Problem         the service answered with a problem document
└── TableError      a file of rows cannot be read or written
"""

from collections.abc import Sequence


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


class TableError(DiffeoError):
    """A file of rows cannot be read or written."""
