"""Hostile requests over raw sockets: no failure, no hang, the same processes, flat memory, and a whole log."""

from collections import Counter

import pytest

from tests.reliability.corpus.answers import Answer
from tests.reliability.corpus.case import Case
from tests.reliability.corpus.cases import all_cases
from tests.reliability.corpus.laws import broken_laws, broken_laws_of_log
from tests.reliability.corpus.play import Outcome
from tests.reliability.corpus.run import Run, heavy_cases, play_corpus

LEAST_CASES = 2000
# The long form promises less after a longer warm-up.
MOST_GROWTH_BYTES = 100_000_000
CASE = Case("a topic", "a name", (b"",))
PROBLEM = b'{"type": "t", "title": "t", "status": 422, "detail": "a sentence", "errors": [], "request_id": "1"}'


@pytest.fixture(scope="module")
def run() -> Run:
    return play_corpus(heavy_cases(), passes=1)


def test_the_corpus_has_two_thousand_cases_of_different_names() -> None:
    names = Counter((case.topic, case.name) for case in all_cases())
    assert sum(names.values()) >= LEAST_CASES
    assert [name for name, count in names.items() if count > 1] == []


def test_every_case_and_the_log_obey_every_law(run: Run) -> None:
    assert run.broken_laws == []


def test_no_worker_ends(run: Run) -> None:
    assert run.ended_processes == 0


def test_memory_does_not_grow_over_the_corpus(run: Run) -> None:
    assert run.growth_bytes <= MOST_GROWTH_BYTES


def test_a_polite_client_is_answered_all_the_time(run: Run) -> None:
    assert run.polite.answered > 0


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(500, {}, PROBLEM), "status 500"),
        (Answer(422, {}, b"no"), "is no JSON"),
        (Answer(422, {}, PROBLEM.replace(b"a sentence", b"see /usr/lib")), "reveals"),
        (Answer(422, {}, PROBLEM.replace(b"a sentence", b"at 0x7fa0b1c2")), "reveals"),
        (Answer(422, {}, b" " * 5000 + PROBLEM), "an error of"),
        (Answer(422, {}, b'{"detail": "a sentence"}'), "has the fields"),
    ],
)
def test_the_laws_see_a_bad_answer(answer: Answer, sentence: str) -> None:
    assert list(broken_laws(Outcome(CASE, [Answer(422, {}, PROBLEM)]))) == []
    assert any(sentence in found for found in broken_laws(Outcome(CASE, [answer])))


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (Outcome(CASE, hung=True), "no answer"),
        (Outcome(CASE), "closed without an answer"),
        (Outcome(CASE, [Answer(200, {}, b"")] * 2), "2 answers"),
        (Outcome(CASE, [Answer(200, {}, b"")], probe="another number"), "another number"),
    ],
)
def test_the_laws_see_a_bad_end(outcome: Outcome, sentence: str) -> None:
    assert any(sentence in found for found in broken_laws(outcome))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"a": "\x7f"}', "control byte"),
        (b'{"a": "\xc3\xa9"}', "control byte"),
        (b"Traceback", "no JSON"),
        (b'{"level": "error"}', "an error"),
    ],
)
def test_the_laws_see_a_bad_line_of_the_log(line: bytes, sentence: str) -> None:
    assert any(sentence in found for found in broken_laws_of_log([line], []))


def test_only_a_request_that_names_a_deadline_may_get_504() -> None:
    late = Answer(504, {}, PROBLEM.replace(b"422", b"504"))
    hurried = Case("a topic", "a name", (b"X-Request-Timeout-Ms: 1",))
    assert list(broken_laws(Outcome(hurried, [late]))) == []
    assert any("status 504" in found for found in broken_laws(Outcome(CASE, [late])))


def test_the_laws_see_a_missing_line_of_the_log() -> None:
    outcome = Outcome(CASE, [Answer(200, {"x-request-id": "a"}, b"")])
    for line in (b'{"message":"request","request_id":"a"}', b'{"message": "request", "request_id": "a"}'):
        assert list(broken_laws_of_log([line], [outcome])) == []
    assert any("have no line" in found for found in broken_laws_of_log([], [outcome]))
