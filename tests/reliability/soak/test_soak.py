"""A short soak: every answer is right while versions change, nothing is left behind, and a leak would be noticed."""

import dataclasses

import pytest

from tests.reliability.soak.load import Load
from tests.reliability.soak.observed_process import Usage
from tests.reliability.soak.questions import close
from tests.reliability.soak.run import Pace, Soak, soak

# Swaps leave objects of their own behind, so growth is measured without them.
SWAPS = Pace(seconds=6, swap_seconds=2, look_seconds=2, least_requests=500)
GROWTH = Pace(seconds=5, swap_seconds=3600, look_seconds=0.5, least_requests=1500)
LEAK_BYTES = 64


def objects_per_request(run: Soak) -> float:
    return run.growth(lambda used: used.objects)


def test_every_answer_is_right_while_versions_are_swapped() -> None:
    run = soak(SWAPS, seed=1)
    assert run.load.wrong == []
    assert run.load.checked > 100
    assert run.swaps >= 2
    assert run.load.disconnects > 0


def test_nothing_is_left_behind_and_a_leak_is_noticed() -> None:
    clean, leaky = soak(GROWTH, seed=2), soak(GROWTH, seed=2, leak_bytes=LEAK_BYTES)
    assert clean.load.wrong == []
    assert objects_per_request(clean) < 0.5 < objects_per_request(leaky)
    first, last = clean.usages[0], clean.usages[-1]
    assert last.threads <= first.threads + 2
    assert last.open_files <= first.open_files + 6


def test_growth_is_the_slope_of_what_the_process_holds() -> None:
    look = Usage(0, 1000, 0, 1, 1, 1)
    usages = [dataclasses.replace(look, requests=n, memory_bytes=1000 + 64 * n) for n in range(0, 5000, 100)]
    assert Soak(Load(), usages, 0).growth(lambda used: used.memory_bytes) == pytest.approx(64)


@pytest.mark.parametrize("found", [[1.0, 2.001], [1.0], [1.0, float("nan")]])
def test_another_number_is_not_close(found: list[float]) -> None:
    assert close([1.0, 2.0], [1.0, 2.0])
    assert not close(found, [1.0, 2.0])
