"""A trainer keeps its budget, says what it does, stops after a Ctrl-C at a state that resumes, and measures threads."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import torch
from torch import Tensor

from diffeo.training.errors import FitError, ResumeError
from diffeo.training.fitting import trainer
from diffeo.training.fitting.batches import Batch, FitRows, TrainingRows
from diffeo.training.fitting.budget import reserve_seconds
from diffeo.training.fitting.fit import FitState
from diffeo.training.fitting.interruption import FitInterrupted, stop_on_interrupt
from diffeo.training.fitting.threads import ThreadChoice
from diffeo.training.fitting.trainer import TrainerOptions, train
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.flow import Flow
from diffeo.training.recipe import FitSection

SETTINGS: Final = FitSection(steps=400, batch=64, learning_rate=5e-3, seed=3)


def flow() -> Flow:
    torch.manual_seed(0)
    return Architecture(2, 2, 8, 2, AffineCouplingSpec(limit=3.0)).build(torch.zeros(2), torch.ones(2))


class WatchedRows(TrainingRows):
    """Training rows that call a function before each batch."""

    def __init__(self, x: Tensor, on_batch: Callable[[int], object]) -> None:
        super().__init__(lambda _: x, len(x), SETTINGS.batch, SETTINGS.seed)
        self._on_batch = on_batch

    def batch(self, step: int) -> Batch:
        self._on_batch(step)
        return super().batch(step)


def rows(on_batch: Callable[[int], object] = lambda _: None) -> FitRows:
    x = torch.randn(1200, 2, generator=torch.Generator().manual_seed(1))
    x[:, 1] += x[:, 0] ** 2
    return FitRows(WatchedRows(x[:1000], on_batch), x[1000:])


def options(folder: Path, **changes: object) -> TrainerOptions:
    values: dict[str, object] = {"threads": 1, "note": lambda _: None}
    return TrainerOptions("mine", folder, "digest", **(values | changes))  # type: ignore[arg-type]


def interrupting(step: int) -> FitRows:
    """Rows that send this process a Ctrl-C at one step."""
    return rows(lambda number: os.kill(os.getpid(), signal.SIGINT) if number == step else None)


def weights(state: FitState) -> list[list[float]]:
    flows = (state.flow, state.average, state.best)
    return [value.flatten().tolist() for each in flows for value in each.state_dict().values()]


@pytest.mark.parametrize("step", [1, 49, 130])
def test_a_fit_stopped_by_ctrl_c_resumes_to_the_same_weights(step: int, tmp_path: Path) -> None:
    whole = train(flow(), rows(), SETTINGS, options(tmp_path / "whole"))
    with pytest.raises(FitInterrupted, match=f"interrupted after step {step + 1} of 400.* saved in"):
        train(flow(), interrupting(step), SETTINGS, options(tmp_path))
    said: list[str] = []
    resumed = train(flow(), rows(), SETTINGS, options(tmp_path, resume=True, note=said.append))
    assert said == [f"continues after step {step + 1} of 400"]
    assert weights(resumed) == weights(whole)


def test_the_best_weights_of_a_stopped_fit_can_be_published_without_further_steps(tmp_path: Path) -> None:
    with pytest.raises(FitInterrupted) as interrupted:
        train(flow(), interrupting(130), SETTINGS, options(tmp_path))
    assert interrupted.value.has_best
    state = train(flow(), rows(), SETTINGS, options(tmp_path, publish_best=True))
    assert (state.step, state.best_step) == (131, 100)


def test_a_fit_without_better_weights_offers_none_to_publish(tmp_path: Path) -> None:
    with pytest.raises(FitInterrupted) as interrupted:
        train(flow(), interrupting(1), SETTINGS, options(tmp_path))
    assert not interrupted.value.has_best
    with pytest.raises(ResumeError, match="continue it with --resume and without --publish-best"):
        train(flow(), rows(), SETTINGS, options(tmp_path, publish_best=True))


def test_a_second_ctrl_c_stops_at_once_and_the_old_handler_returns() -> None:
    before = signal.getsignal(signal.SIGINT)

    def press_twice() -> None:
        with stop_on_interrupt() as request:
            os.kill(os.getpid(), signal.SIGINT)
            assert request()
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the second signal was ignored")

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert signal.getsignal(signal.SIGINT) is before


class PacedClock:
    """A clock that each step moves on."""

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self._seconds = seconds

    def __call__(self) -> float:
        return self.now

    def on_batch(self, _step: int) -> None:
        self.now += self._seconds


@pytest.mark.parametrize("pace", [0.02, 0.1])
def test_a_budget_ends_the_steps_in_time(pace: float, tmp_path: Path) -> None:
    clock = PacedClock(pace)
    settings = FitSection(budget=60.0, batch=64, learning_rate=5e-3, patience_steps=0)
    state = train(flow(), rows(clock.on_batch), settings, options(tmp_path, started=0.0, clock=clock))
    seconds = 60 - reserve_seconds(60.0, layers=len(state.flow.transforms))
    assert clock.now == pytest.approx(seconds, abs=1.5)
    assert state.step == state.plan.steps == pytest.approx(seconds / pace, rel=0.05)


def test_a_budget_that_leaves_no_time_is_refused(tmp_path: Path) -> None:
    settings = FitSection(budget=10.0, batch=64, learning_rate=5e-3)
    with pytest.raises(FitError, match="--budget 10s: reading the table took 1m, and the publication needs about 4s"):
        train(flow(), rows(), settings, options(tmp_path, started=-60.0, clock=lambda: 0.0))


def test_a_budgeted_fit_that_was_stopped_keeps_its_plan(tmp_path: Path) -> None:
    settings = FitSection(budget=30.0, batch=64, learning_rate=5e-3, patience_steps=0)
    clock = PacedClock(0.05)

    def on_batch(step: int) -> None:
        clock.on_batch(step)
        if step == 300:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(FitInterrupted) as interrupted:
        train(flow(), rows(on_batch), settings, options(tmp_path, started=0.0, clock=clock))
    planned = int(str(interrupted.value).split(" of ")[1].split(";")[0].replace(",", ""))
    resumed = train(flow(), rows(), settings, options(tmp_path, resume=True, started=0.0, clock=PacedClock(9.0)))
    assert resumed.step == planned


def test_the_line_at_the_start_says_length_reason_and_threads(tmp_path: Path) -> None:
    said: list[str] = []
    train(flow(), rows(), SETTINGS, options(tmp_path, note=said.append, threads=None))
    (line,) = said
    assert line.startswith("400 steps (26.7 passes over 1,000 rows) as the recipe says, fewer if 1,000 steps bring no")
    assert "; threads: " in line
    assert " steps/s with 1" in line


@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_a_learning_rate_far_too_high_is_lowered_before_the_first_step(rate: float, tmp_path: Path) -> None:
    said: list[str] = []
    settings = SETTINGS.model_copy(update={"learning_rate": rate})
    state = train(flow(), rows(), settings, options(tmp_path, note=said.append))
    assert said[0].startswith(f"fit.learning_rate {rate:g} is too high for this table")
    assert state.slowdown * rate <= 0.05
    usual = train(flow(), rows(), SETTINGS, options(tmp_path))
    assert state.best_nll < usual.best_nll + 0.05


def test_the_process_keeps_its_number_of_threads(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    train(flow(), rows(), SETTINGS.model_copy(update={"steps": 20}), options(tmp_path, threads=before + 1))
    assert torch.get_num_threads() == before


def test_steps_that_became_slow_are_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([ThreadChoice(2, {2: 1e-9}), *[ThreadChoice(1, {1: 1.0})] * 99])
    monkeypatch.setattr(trainer, "choose_threads", lambda *_: next(measured))
    before = torch.get_num_threads()
    used: list[int] = []
    data = rows(lambda _: used.append(torch.get_num_threads()))
    train(flow(), data, SETTINGS, replace(options(tmp_path), threads=None))
    assert used[1] == 2  # the batch before the first step is the one that was measured
    assert used[-1] == 1
    assert torch.get_num_threads() == before
