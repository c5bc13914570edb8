"""The fit learns, keeps its best weights, skips steps that are not finite, and resumes to the same weights."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from diffeo.training import checkpoint, fit
from diffeo.training.errors import FitError, ResumeError
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.recipe import FitSection

SETTINGS = FitSection(epochs=4, batch=64, learning_rate=5e-3, seed=3)


def rows(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, generator=generator)
    x[:, 1] = x[:, 0] ** 2 + 0.3 * x[:, 1]
    return x


def fresh(settings: FitSection = SETTINGS) -> fit.FitState:
    torch.manual_seed(0)
    return fit.start(
        Architecture(2, 4, 16, 2, AffineCouplingSpec(limit=3.0)).build(torch.zeros(2), torch.ones(2)), settings
    )


def run(state: fit.FitState, settings: FitSection = SETTINGS, train: Tensor | None = None) -> None:
    train = rows(1000, 1) if train is None else train
    while not fit.finished(state, settings):
        fit.run_epoch(state, train, rows(500, 2), settings, lambda *_: None)


def weights(state: fit.FitState) -> list[list[float]]:
    flows = (state.flow, state.average, state.best)
    return [value.flatten().tolist() for flow in flows for value in flow.state_dict().values()]


def test_the_loss_falls_below_that_of_a_gaussian() -> None:
    state = fresh(SETTINGS.model_copy(update={"epochs": 30}))
    run(state, SETTINGS.model_copy(update={"epochs": 30}))
    gaussian = fit.mean_nll(fresh().flow, rows(2000, 9))
    assert fit.mean_nll(state.best, rows(2000, 9)) < gaussian - 0.3


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = fresh(), fresh()
    run(first)
    run(second)
    assert weights(first) == weights(second)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_resumed_fit_ends_as_one_that_was_never_stopped(stop: int, tmp_path: Path) -> None:
    whole = fresh()
    run(whole)
    part = fresh()
    for _ in range(stop):
        fit.run_epoch(part, rows(1000, 1), rows(500, 2), SETTINGS, lambda *_: None)
    checkpoint.save_state(part, tmp_path, "digest")
    resumed = fresh()
    checkpoint.load_state(resumed, tmp_path, "digest")
    run(resumed)
    assert weights(resumed) == weights(whole)
    assert resumed.records == whole.records


def test_a_state_of_another_recipe_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="nothing to resume"):
        checkpoint.load_state(fresh(), tmp_path, "digest")
    checkpoint.save_state(fresh(), tmp_path, "digest")
    with pytest.raises(ResumeError, match="another recipe"):
        checkpoint.load_state(fresh(), tmp_path, "another")


def test_a_checkpoint_of_an_older_version_resumes(tmp_path: Path) -> None:
    state = fresh()
    fit.run_epoch(state, rows(1000, 1), rows(500, 2), SETTINGS, lambda *_: None)
    checkpoint.save_state(state, tmp_path, "digest")
    path = tmp_path / checkpoint.STATE
    path.write_bytes(path.read_bytes().replace(b'\\"rollback\\"', b'\\"setback\\" '))
    resumed = fresh()
    checkpoint.load_state(resumed, tmp_path, "digest")
    assert resumed.records == state.records


def test_a_crash_while_saving_keeps_the_saved_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = fresh()
    checkpoint.save_state(state, tmp_path, "digest")
    before = (tmp_path / checkpoint.STATE).read_bytes()
    run(state)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save_state(state, tmp_path, "digest")
    assert (tmp_path / checkpoint.STATE).read_bytes() == before


def test_the_best_epoch_is_kept_not_the_last() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 150, "batch": 16, "learning_rate": 2e-2, "rollback": 9.0})
    state = fresh(settings)
    # A fit to 100 rows soon overfits: the validation loss rises while the training loss still falls.
    run(state, settings, rows(100, 1))
    best = state.best_epoch
    assert best is not None
    assert best.epoch < len(state.records)
    assert fit.mean_nll(state.best, rows(500, 2)) == pytest.approx(best.validation_nll, abs=1e-6)


def test_patience_ends_a_fit_that_no_longer_improves() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 200, "learning_rate": 2e-2, "patience": 3, "rollback": 9.0})
    state = fresh(settings)
    run(state, settings, rows(100, 1))
    best = state.best_epoch
    assert best is not None
    assert len(state.records) == best.epoch + 3 < 200


def test_a_rollback_returns_to_the_best_weights_at_a_lower_rate() -> None:
    settings = SETTINGS.model_copy(update={"rollback": 0.05, "learning_rate": 3e-2, "average": 0.5})
    state = fresh(settings)
    fit.run_epoch(state, rows(1000, 1), rows(500, 2), settings, lambda *_: None)
    best = weights(state)[-1]
    # One epoch on other data moves the weights far away.
    record = fit.run_epoch(state, 20 - 5 * rows(1000, 1), rows(500, 2), settings, lambda *_: None)
    assert record.rollback
    assert weights(state)[-1] == best == [value.flatten().tolist() for value in state.flow.state_dict().values()][-1]
    fit.run_epoch(state, rows(1000, 1), rows(500, 2), settings, lambda *_: None)
    rate = state.optimiser.param_groups[0]["lr"]
    last_step = 3 * fit.steps_per_epoch(1000, settings) - 1
    expected = fit.ROLLBACK_RATE * fit.learning_rate(last_step, 4 * fit.steps_per_epoch(1000, settings), settings)
    assert rate == pytest.approx(expected)


def test_a_step_that_is_not_finite_is_skipped() -> None:
    train = rows(1000, 1)
    train[7] = math.inf
    state = fresh()
    run(state, train=train)
    assert sum(record.skipped for record in state.records) == SETTINGS.epochs
    assert all(math.isfinite(value) for tensor in weights(state) for value in tensor)


def test_ten_steps_in_a_row_that_are_not_finite_end_the_fit_with_advice() -> None:
    with pytest.raises(FitError, match="learning_rate"):
        run(fresh(), train=torch.full((1000, 2), math.nan))


def test_gradients_are_clipped() -> None:
    settings = SETTINGS.model_copy(update={"clip": 1e-3})
    state = fresh(settings)
    fit.run_epoch(state, 1e3 * rows(1000, 1), rows(500, 2), settings, lambda *_: None)
    norm = torch.linalg.vector_norm(
        torch.cat([p.grad.flatten() for p in state.flow.parameters() if p.grad is not None])
    )
    assert float(norm) <= 1e-3 * (1 + 1e-4)


def test_the_rate_warms_up_and_falls_along_a_cosine() -> None:
    settings = SETTINGS.model_copy(update={"warm_up": 0.1, "learning_rate": 1.0})
    rates = [fit.learning_rate(step, 1000, settings) for step in range(1000)]
    assert rates[0] < 0.02
    assert max(rates) == pytest.approx(rates[99], abs=0.03)
    assert rates[500] == pytest.approx(0.5, abs=1e-3)
    assert rates[-1] < 1e-4


def test_every_row_is_used_once_an_epoch() -> None:
    seen: list[int] = []
    settings = SETTINGS.model_copy(update={"batch": 300})
    state = fresh(settings)
    fit.run_epoch(state, rows(1000, 1), rows(10, 2), settings, lambda step, _: seen.append(step))
    assert seen == [1, 2, 3]
    assert replace(state.records[0], train_nll=0, validation_nll=0) == fit.EpochRecord(1, 0, 0, 0, rollback=False)
