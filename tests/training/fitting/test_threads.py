"""The measurement of threads finds the fastest number, is quick, and leaves the process as it was."""

import pytest
import torch

from diffeo.training.fitting.threads import SECONDS, ThreadChoice, choose_threads, thread_count

# Seconds of a step by number of threads, and the number that should be chosen.
MACHINES: dict[str, tuple[dict[int, float], int]] = {
    "small steps on a shared machine": ({1: 0.004, 2: 0.03, 4: 0.2}, 1),
    "wide steps on an idle machine": ({1: 0.4, 2: 0.21, 4: 0.12}, 4),
    "more threads that hardly help": ({1: 0.004, 2: 0.0038}, 1),
    "two of four": ({1: 0.01, 2: 0.006, 4: 0.008}, 2),
    "one": ({1: 0.01}, 1),
}


class Machine:
    """A clock, and a step that takes as long as the number of threads says."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.now = 0.0
        self.threads = 0
        self.steps = 0
        self._seconds = seconds

    def step(self) -> None:
        self.steps += 1
        self.now += self._seconds[self.threads]

    def clock(self) -> float:
        return self.now

    def use(self, threads: int) -> None:
        self.threads = threads


def measured(seconds: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> tuple[ThreadChoice, Machine]:
    machine = Machine(seconds)
    monkeypatch.setattr(torch, "set_num_threads", machine.use)
    return choose_threads(machine.step, tuple(seconds), machine.clock), machine


@pytest.mark.parametrize(("seconds", "best"), MACHINES.values(), ids=MACHINES.keys())
def test_the_fastest_number_is_chosen_and_the_smaller_one_of_nearly_equal_ones(
    seconds: dict[int, float], best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice, _ = measured(seconds, monkeypatch)
    assert choice.threads == best
    assert choice.step_seconds == pytest.approx(seconds[best])


def test_ten_to_twenty_steps_are_measured_for_each_number(monkeypatch: pytest.MonkeyPatch) -> None:
    _, machine = measured({1: 0.004, 2: 0.005}, monkeypatch)
    assert 2 * 10 <= machine.steps <= 2 * 25


@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.09, 0.3])
def test_the_measurement_takes_less_than_two_seconds(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    _, machine = measured({1: seconds, 2: 1.1 * seconds}, monkeypatch)
    assert machine.now < SECONDS + 0.5


def test_one_slow_block_does_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine({1: 0.01, 2: 0.02})
    monkeypatch.setattr(torch, "set_num_threads", machine.use)

    def step() -> None:
        machine.step()
        machine.now += 1.0 if machine.steps == 4 else 0.0  # the machine did something else

    assert choose_threads(step, (1, 2), machine.clock).threads == 1


def test_the_process_keeps_its_number_of_threads() -> None:
    def step() -> None:
        raise ZeroDivisionError

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with pytest.raises(ZeroDivisionError):
            choose_threads(step, (1, 2))
        assert torch.get_num_threads() == 3
        with pytest.raises(ZeroDivisionError), thread_count(2):
            step()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
