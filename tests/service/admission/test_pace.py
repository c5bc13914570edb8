"""The pace follows the engines while they have more work than they can start, and only then."""

import pytest

from diffeo.service.admission.pace import LARGEST, Pace


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(  # noqa: PLR0913  (the conditions of some calls)
    pace: Pace, clock: Clock, elapsed: float, estimated: float, calls: int, *, more_waits: bool = True
) -> None:
    for _ in range(calls):
        clock.now += elapsed
        pace.call_ended(estimated, more_waits=more_waits)


@pytest.mark.parametrize("ratio", [0.8, 1.0, 3.0])
def test_the_slowdown_becomes_the_ratio_of_elapsed_to_estimated_time(ratio: float) -> None:
    clock = Clock()
    pace = Pace(clock)
    run(pace, clock, 0.002 * ratio, 0.002, 1000)
    assert pace.slowdown == pytest.approx(ratio, rel=0.02)


def test_a_change_of_speed_is_noticed_within_a_second() -> None:
    clock = Clock()
    pace = Pace(clock)
    run(pace, clock, 0.002, 0.002, 1000)
    run(pace, clock, 0.006, 0.002, 160)
    assert pace.slowdown == pytest.approx(3.0, rel=0.15)


def test_idle_time_is_no_slowdown() -> None:
    clock = Clock()
    pace = Pace(clock)
    run(pace, clock, 1.0, 0.002, 100, more_waits=False)
    assert pace.slowdown == 1.0


def test_a_pause_cannot_make_the_slowdown_infinite() -> None:
    clock = Clock()
    pace = Pace(clock)
    run(pace, clock, 3600.0, 0.002, 2)
    assert pace.slowdown == LARGEST
