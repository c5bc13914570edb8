"""The answers to the requests of one run, and percentiles of their durations."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

OK: Final = 200
REJECTED: Final = 429


class Answer(NamedTuple):
    """One request.

    Attributes:
        due: time.monotonic() at which it was due.
        seconds: from then to its answer.
        status: status of the answer; 0 if there is none.
        has_retry_after: whether the answer names a time to try again.
        waited: seconds from `due` until a connection was free.
    """

    due: float
    seconds: float
    status: int
    has_retry_after: bool
    waited: float = 0.0


@dataclass(slots=True)
class Load:
    """All requests of one run.

    Attributes:
        began: time.monotonic() at which an open loop began.
        sent: requests sent.
        late: requests that an open loop sent more than 50 ms late.
        answers: one entry for each request that ended.
        connections: connections that an open loop opened.
    """

    began: float = 0.0
    sent: int = 0
    late: int = 0
    answers: list[Answer] = field(default_factory=list)
    connections: int = 0

    def statuses(self) -> Counter[int]:
        """The number of answers by status."""
        return Counter(answer.status for answer in self.answers)

    def seconds(self, status: int) -> list[float]:
        """The durations of the answers with one status."""
        return [answer.seconds for answer in self.answers if answer.status == status]

    def seconds_on_connection(self, status: int) -> list[float]:
        """The same, without the time until a connection was free."""
        return [answer.seconds - answer.waited for answer in self.answers if answer.status == status]

    def good_between(self, began: float, ended: float) -> int:
        """The number of requests that were answered with 200 within a window of time."""
        return sum(each.status == OK and began <= each.due + each.seconds < ended for each in self.answers)


def percentile(seconds: Iterable[float], share: float) -> float:
    """A percentile in milliseconds; NaN of none."""
    values = list(seconds)
    return float(np.percentile(values, 100 * share)) * 1000 if values else float("nan")
