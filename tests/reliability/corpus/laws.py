"""The laws that every outcome of the corpus obeys, and those of the whole run."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tests.reliability.corpus.answers import Answer
from tests.reliability.corpus.case import Ending
from tests.reliability.corpus.play import Outcome

ERROR: Final = 400
SERVER_ERROR: Final = 500
DEADLINE_PASSED: Final = 504
DEADLINE: Final = b"X-Request-Timeout-Ms:"
MOST_BYTES: Final = 4096
UNREAD_STATUSES: Final = frozenset({400, 408, 414, 431})
REQUEST_ID: Final = "x-request-id"
# A path, a traceback or an address of the server. The cases send none of these.
REVEALING: Final = re.compile(rb"Traceback|site-packages|File \"|\.py\b|0x[0-9a-f]{7,}|/(?:usr|home|tmp|work|opt)/")
CONTROL: Final = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]")
PROBLEM_FIELDS: Final = {"type", "title", "status", "detail"}


def broken_laws(outcome: Outcome) -> Iterator[str]:
    """One sentence for each law that the outcome breaks."""
    case = outcome.case
    if outcome.hung:
        yield "no answer and no end of the connection"
    if outcome.probe:
        yield f"after it: {outcome.probe}"
    if case.ending is Ending.WAIT and not outcome.answers and not outcome.hung:
        yield "the connection was closed without an answer"
    if len(outcome.answers) > case.most_answers:
        yield f"{len(outcome.answers)} answers, at most {case.most_answers} expected"
    for answer in outcome.answers:
        if is_server_error(outcome, answer):
            yield f"status {answer.status}: {answer.body[:100]!r}"
        elif case.statuses and answer.status not in case.statuses:
            yield f"status {answer.status}, expected {sorted(case.statuses)}"
        if answer.status >= ERROR and not case.no_body:
            yield from _broken_laws_of_errors(answer)


def is_server_error(outcome: Outcome, answer: Answer) -> bool:
    """True for a status of 500 and above; 504 is right if the request named a deadline, which may pass."""
    names_deadline = any(DEADLINE in piece for piece in outcome.case.pieces)
    return answer.status >= SERVER_ERROR and not (answer.status == DEADLINE_PASSED and names_deadline)


def _broken_laws_of_errors(answer: Answer) -> Iterator[str]:
    if len(answer.body) > MOST_BYTES:
        yield f"an error of {len(answer.body)} bytes"
    if (found := REVEALING.search(answer.body)) is not None:
        yield f"the error reveals {found.group()!r}"
    try:
        document = json.loads(answer.body)
    except ValueError:
        yield f"the error {answer.status} is no JSON: {answer.body[:60]!r}"
        return
    if not (document.keys() >= PROBLEM_FIELDS or document.keys() == {"error"}):
        yield f"the error {answer.status} has the fields {sorted(document)}"


def broken_laws_of_log(lines: Sequence[bytes], outcomes: Iterable[Outcome]) -> Iterator[str]:
    """One sentence for each law that the log breaks: JSON in ASCII, one line for each answer with an id."""
    logged: Counter[str] = Counter()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            yield f"no JSON: {line[:200]!r}"
            continue
        yield from _broken_laws_of_line(line, entry)
        if entry.get("message") == "request":
            logged[entry["request_id"]] += 1
    answered: Counter[str] = Counter()
    for outcome in outcomes:
        for answer in outcome.answers:
            if REQUEST_ID in answer.headers:
                answered[answer.headers[REQUEST_ID]] += answer.status != 200 or not _is_health(outcome)
            elif not _never_reached_the_service(answer):
                yield f"{outcome.case.name}: the answer {answer.status} has no request id"
    missing = sorted((answered - logged).items())
    if missing:
        yield f"{len(missing)} answers have no line: {missing[:3]}"


def _broken_laws_of_line(line: bytes, entry: dict[str, object]) -> Iterator[str]:
    if CONTROL.search(line):
        yield f"a control byte or a byte beyond ASCII: {line[:200]!r}"
    if entry.get("level") in {"error", "critical"} or "traceback" in entry:
        yield f"an error: {line[:300]!r}"


def _never_reached_the_service(answer: Answer) -> bool:
    # A head that is no HTTP has no id and no line: the document says so itself.
    return answer.status in UNREAD_STATUSES and json.loads(answer.body)["request_id"] == ""


def _is_health(outcome: Outcome) -> bool:
    # Successful health checks are not logged unless the settings ask for it.
    return any(word in piece for piece in outcome.case.pieces for word in (b"livez", b"readyz", b"metrics", b"health"))
