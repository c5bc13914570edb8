"""Every answer is one that the OpenAPI document describes, that of the Open Inference Protocol included."""

from collections.abc import Iterator

import pytest

from tests.given.flows import affine
from tests.given.servers.watched_server import WatchedServer
from tests.reliability.description import check

LEAST_CASES = 1000


@pytest.fixture(scope="module")
def server() -> Iterator[WatchedServer]:
    running = WatchedServer(affine.DATA)
    yield running
    running.end()


def test_no_answer_violates_the_description(server: WatchedServer) -> None:
    pids = server.pids
    found = list(check(server.url, 3, seed=14))
    assert [violation for each in found for violation in each.violations] == [], found[0].output
    assert sum(each.cases for each in found) >= LEAST_CASES
    assert server.pids == pids


def test_a_violation_is_found(server: WatchedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.reliability.description.CHECKS", "positive_data_acceptance")
    monkeypatch.setattr("tests.reliability.description.CONFIGURATIONS", ("",))
    monkeypatch.setattr("tests.reliability.description.PHASES", "fuzzing")
    # A name of a model that is not served fits the description, and is answered with 404.
    (found,) = check(server.url, 1, seed=14)
    assert found.violations
