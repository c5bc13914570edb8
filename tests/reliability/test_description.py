"""Every answer is one that the OpenAPI document describes, that of the Open Inference Protocol included."""

from collections.abc import Iterator

import pytest

from tests.given.flows import affine
from tests.given.servers.watched_server import WatchedServer
from tests.reliability.description import SERVED, check

# The long form has more than 20,000, and half of them invent the names of models.
LEAST_CASES = 900


@pytest.fixture(scope="module")
def server() -> Iterator[WatchedServer]:
    running = WatchedServer(affine.DATA)
    yield running
    running.end()


def test_no_answer_violates_the_description(server: WatchedServer) -> None:
    pids = server.pids
    found = list(check(server.url, 1, seed=14, configurations=(SERVED,)))
    assert [violation for each in found for violation in each.violations] == [], found[0].output
    assert sum(each.cases for each in found) >= LEAST_CASES
    assert server.pids == pids


def test_a_violation_is_found(server: WatchedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.reliability.description.CHECKS", "positive_data_acceptance")
    monkeypatch.setattr("tests.reliability.description.PHASES", "fuzzing")
    # A name of a model that is not served fits the description, and is answered with 404.
    (found,) = check(server.url, 1, seed=14, configurations=("",))
    assert found.violations
