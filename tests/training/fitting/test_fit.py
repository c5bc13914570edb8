"""A fit learns, keeps its best weights, survives steps that are not finite, and resumes at any step to the same end."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from diffeo.training.errors import FitError, ResumeError
from diffeo.training.fitting import checkpoint, fit
from diffeo.training.fitting.batches import FitRows, TrainingRows, fixed_rows
from diffeo.training.fitting.evaluation import Evaluation, best_evaluation, mean_nll
from diffeo.training.fitting.plan import plan_fit
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.flow import Flow
from diffeo.training.recipe import FitSection

SETTINGS = FitSection(epochs=4, batch=64, learning_rate=5e-3, seed=3)
STEPS = 60  # of 1,000 rows


def rows(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, generator=generator)
    x[:, 1] = x[:, 0] ** 2 + 0.3 * x[:, 1]
    return x


def flow() -> Flow:
    torch.manual_seed(0)
    return Architecture(2, 4, 16, 2, AffineCouplingSpec(limit=3.0)).build(torch.zeros(2), torch.ones(2))


def fresh(settings: FitSection = SETTINGS, count: int = 1000) -> fit.FitState:
    return fit.start(flow(), settings, plan_fit(settings, count, 2))


def parts(settings: FitSection = SETTINGS, train: Tensor | None = None, validation: Tensor | None = None) -> FitRows:
    train = rows(1000, 1) if train is None else train
    return fixed_rows(train, rows(500, 2) if validation is None else validation, settings.batch, settings.seed)


def run(state: fit.FitState, data: FitRows | None = None) -> fit.FitState:
    data = data or parts(state.settings)
    while not fit.finished(state):
        fit.run_until_evaluation(state, data)
    return state


def stop_after(state: fit.FitState, steps: int, data: FitRows) -> None:
    """Run until so many steps are done, which may be between two evaluations."""
    while state.step < steps:
        fit.run_until_evaluation(state, data, stopped=lambda: state.step == steps)


def weights(state: fit.FitState) -> list[list[float]]:
    flows = (state.flow, state.average, state.best)
    return [value.flatten().tolist() for each in flows for value in each.state_dict().values()]


def best(state: fit.FitState) -> Evaluation:
    found = best_evaluation(state.records)
    assert found is not None
    return found


def test_the_loss_falls_below_that_of_a_gaussian() -> None:
    state = run(fresh(SETTINGS.model_copy(update={"epochs": 30})))
    assert mean_nll(state.best, rows(2000, 9)) < mean_nll(flow(), rows(2000, 9)) - 0.3


def test_the_same_seed_gives_the_same_weights() -> None:
    assert weights(run(fresh())) == weights(run(fresh()))


def jittered(settings: FitSection) -> FitRows:
    """Training rows with fresh noise in every pass."""
    base = rows(1000, 1)

    def rows_of_pass(number: int) -> Tensor:
        return base + 0.1 * torch.rand(base.shape, generator=torch.Generator().manual_seed(number))

    weights = torch.rand(1000, generator=torch.Generator().manual_seed(5))
    train = TrainingRows(rows_of_pass, 1000, settings.batch, settings.seed, weights / weights.mean())
    return FitRows(train, rows(500, 2), torch.rand(500, generator=torch.Generator().manual_seed(6)))


@pytest.mark.parametrize("stop", [0, 1, 7, 15, 16, 59, STEPS])
@pytest.mark.parametrize("data", [parts, jittered], ids=["fixed rows", "weighted rows with noise of their pass"])
def test_a_fit_resumed_at_any_step_ends_as_one_that_was_never_stopped(
    data: Callable[[FitSection], FitRows], stop: int, tmp_path: Path
) -> None:
    whole = run(fresh(), data(SETTINGS))
    part = fresh()
    stop_after(part, stop, data(SETTINGS))
    checkpoint.save_state(part, tmp_path, "digest", {"threads": 2})
    resumed = fresh()
    assert checkpoint.load_state(resumed, tmp_path, "digest") == {"threads": 2}
    run(resumed, data(SETTINGS))
    assert weights(resumed) == weights(whole)
    assert resumed.records == whole.records


def test_a_resumed_fit_keeps_the_plan_that_was_revised(tmp_path: Path) -> None:
    state = fresh()
    stop_after(state, 20, parts())
    state.plan = state.plan.revised(20, steps=40)
    checkpoint.save_state(state, tmp_path, "digest")
    whole = run(state)
    resumed = fresh()
    checkpoint.load_state(resumed, tmp_path, "digest")
    assert run(resumed).step == 40
    assert weights(resumed) == weights(whole)


def test_a_state_of_another_recipe_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="nothing to resume"):
        checkpoint.load_state(fresh(), tmp_path, "digest")
    checkpoint.save_state(fresh(), tmp_path, "digest")
    with pytest.raises(ResumeError, match="another recipe"):
        checkpoint.load_state(fresh(), tmp_path, "another")


def test_a_checkpoint_of_an_older_version_resumes(tmp_path: Path) -> None:
    state = fresh()
    fit.run_until_evaluation(state, parts())
    checkpoint.save_state(state, tmp_path, "digest")
    path = tmp_path / checkpoint.STATE
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    # It held the epochs alone, and the key `setback` for `rollback`.
    (record,) = json.loads(header["__metadata__"]["record"])
    old = {"epoch": 1, "setback": record["rollback"], **{key: record[key] for key in OLD_KEYS}}
    header["__metadata__"] = {"recipe": "digest", "record": json.dumps([old])}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])

    resumed = fresh()
    checkpoint.load_state(resumed, tmp_path, "digest")
    assert (resumed.step, resumed.best_step, resumed.best_nll) == (15, 15, record["validation_nll"])
    assert weights(run(resumed)) == weights(run(fresh()))


def test_a_checkpoint_with_the_moments_of_each_weight_resumes(tmp_path: Path) -> None:
    state = fresh()
    fit.run_until_evaluation(state, parts())
    checkpoint.save_state(state, tmp_path, "digest")
    with safe_open(tmp_path / checkpoint.STATE, framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    sizes = [weights.numel() for weights in state.flow.parameters()]
    for moment in ("exp_avg", "exp_avg_sq"):
        for index, part in enumerate(torch.split(tensors.pop(f"optimiser.0.{moment}"), sizes)):
            tensors[f"optimiser.{index}.{moment}"] = part.clone()
    step = tensors.pop("optimiser.0.step")
    tensors |= {f"optimiser.{index}.step": step.clone() for index in range(len(sizes))}
    (tmp_path / checkpoint.STATE).write_bytes(save(tensors, metadata=header))

    resumed = fresh()
    checkpoint.load_state(resumed, tmp_path, "digest")
    assert weights(run(resumed)) == weights(run(fresh()))


OLD_KEYS = ("train_nll", "validation_nll", "skipped")


def test_a_crash_while_saving_keeps_the_saved_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = fresh()
    checkpoint.save_state(state, tmp_path, "digest")
    before = (tmp_path / checkpoint.STATE).read_bytes()
    run(state)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save_state(state, tmp_path, "digest")
    assert (tmp_path / checkpoint.STATE).read_bytes() == before


def test_the_best_weights_are_kept_not_the_last() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 150, "batch": 16, "learning_rate": 2e-2, "rollback": 9.0})
    # A fit to 100 rows soon overfits: the validation loss rises while the training loss still falls.
    state = run(fresh(settings, 100), parts(settings, rows(100, 1)))
    assert best(state).step == state.best_step < state.step
    assert mean_nll(state.best, rows(500, 2)) == pytest.approx(best(state).validation_nll, abs=1e-6)


def test_patience_ends_a_fit_that_no_longer_improves() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 200, "learning_rate": 2e-2, "patience": 30, "rollback": 9.0})
    state = run(fresh(settings, 100), parts(settings, rows(100, 1)))
    assert state.step == state.best_step + 30 < 200


def test_patience_never_ends_a_fit_before_its_warm_up() -> None:
    short = {"epochs": None, "steps": 900, "warm_up_steps": 500, "patience_steps": 50, "rollback": 9.0}
    settings = SETTINGS.model_copy(update={**short, "learning_rate": 3e-2})
    # The validation rows lie elsewhere, so no step improves their loss.
    state = run(fresh(settings, 100), parts(settings, rows(100, 1), 3 + 0 * rows(500, 2)))
    assert state.step - state.best_step >= 50
    assert 500 <= state.step < 900


def test_a_rollback_returns_to_the_best_weights_at_a_lower_rate() -> None:
    settings = SETTINGS.model_copy(update={"rollback": 0.05, "learning_rate": 3e-2, "average": 0.5})
    state = fresh(settings)
    fit.run_until_evaluation(state, parts(settings))
    kept = weights(state)[-1]
    state.start_nll = math.inf  # so that the next weights count as worse, not as diverged
    # Steps on other data move the weights far away.
    record = fit.run_until_evaluation(state, parts(settings, 20 - 5 * rows(1000, 1)))
    assert record is not None
    assert record.rollback
    assert weights(state)[-1] == kept == [value.flatten().tolist() for value in state.flow.state_dict().values()][-1]
    fit.run_until_evaluation(state, parts(settings))
    expected = fit.ROLLBACK_RATE * state.plan.learning_rate(state.step - 1, settings.learning_rate)
    assert state.optimiser.param_groups[0]["lr"] == pytest.approx(expected)


def test_the_base_has_its_own_share_of_the_learning_rate() -> None:
    torch.manual_seed(0)
    mixture = Architecture(2, 2, 8, 1, AffineCouplingSpec(), components=3).build(torch.zeros(2), torch.ones(2))
    settings = SETTINGS.model_copy(update={"base_rate": 1e-9})
    state = fit.start(mixture, settings, plan_fit(settings, 1000, 2))
    before = {name: value.clone() for name, value in state.flow.state_dict().items()}
    fit.run_until_evaluation(state, parts(settings))
    moved = {name for name, value in state.flow.state_dict().items() if (value - before[name]).abs().max() > 1e-6}
    assert not any(name.startswith("base.") for name in moved)
    assert any(name.startswith("transforms.") for name in moved)


@pytest.mark.parametrize("rate", [0.1, 1.0, 100.0])
def test_a_learning_rate_far_too_large_ends_in_a_model_that_learned(rate: float) -> None:
    settings = SETTINGS.model_copy(update={"learning_rate": rate, "epochs": 60})
    state = run(fresh(settings))
    assert math.isfinite(state.best_nll)
    assert all(math.isfinite(value) for tensor in weights(state) for value in tensor)
    assert mean_nll(state.best, rows(2000, 9)) < mean_nll(flow(), rows(2000, 9)) - 0.3


def test_a_step_that_is_not_finite_is_skipped() -> None:
    train = rows(1000, 1)
    train[7] = math.inf
    state = run(fresh(), parts(train=train))
    assert sum(record.skipped for record in state.records) == SETTINGS.epochs
    assert all(math.isfinite(value) for tensor in weights(state) for value in tensor)


@pytest.mark.parametrize("count", [1000, 64, 1])
def test_rows_that_give_no_finite_step_end_the_fit_with_advice(count: int) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 10_000})
    state = fresh(settings, count)
    with pytest.raises(FitError, match=r"no learning rate from 0\.005 down to .* lower fit\.learning_rate"):
        run(state, parts(settings, torch.full((count, 2), math.nan)))
    # Ten steps for each rate that was tried, however many rows a pass has.
    assert state.step == 10 * 8


def test_validation_rows_without_a_finite_loss_are_refused_before_the_first_step() -> None:
    state = fresh()
    with pytest.raises(FitError, match="before the first step"):
        fit.run_until_evaluation(state, parts(validation=torch.full((10, 2), math.nan)))
    assert state.step == 0


def test_weights_without_a_finite_validation_loss_are_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    state = fresh()
    fit.run_until_evaluation(state, parts())
    kept = weights(state)[-1]
    monkeypatch.setattr(FitRows, "validation_nll", lambda *_: math.nan)
    record = fit.run_until_evaluation(state, parts())
    assert record is not None
    assert record.rollback
    assert weights(state)[-1] == kept
    assert best(state) == state.records[0]


def test_gradients_are_clipped() -> None:
    settings = SETTINGS.model_copy(update={"clip": 1e-3})
    state = fresh(settings)
    fit.optimise(state, parts(settings, 1e3 * rows(1000, 1)).train.batch(0), 1e-3)
    norm = torch.linalg.vector_norm(
        torch.cat([p.grad.flatten() for p in state.flow.parameters() if p.grad is not None])
    )
    assert float(norm) <= 1e-3 * (1 + 1e-4)


def test_every_row_is_used_once_a_pass() -> None:
    train = TrainingRows(lambda _: torch.arange(1000.0)[:, None], 1000, 300, seed=3)
    for number in range(2):
        seen = [value for step in range(3) for value in train.batch(3 * number + step).x.flatten().tolist()]
        assert sorted(seen) == list(range(1000))


def test_weights_count_a_row_as_often_as_they_say() -> None:
    weighted, repeated = torch.tensor([3.0, 1.0, 0.0]), torch.tensor([0, 0, 0, 1])
    x = rows(3, 1)
    assert mean_nll(flow(), x, weighted) == pytest.approx(mean_nll(flow(), x[repeated]))


def test_rows_without_weight_do_not_shape_the_fit() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 30})
    # Half of the rows lie elsewhere and weigh nothing.
    train = torch.cat([rows(1000, 1), 5 - rows(1000, 1)])
    weights = torch.cat([torch.full((1000,), 2.0), torch.zeros(1000)])
    data = FitRows(TrainingRows(lambda _: train, 2000, settings.batch, settings.seed, weights), rows(500, 2))
    state = run(fresh(settings, 2000), data)
    assert mean_nll(state.best, rows(2000, 9)) < mean_nll(flow(), rows(2000, 9)) - 0.3


def test_a_callback_sees_every_step_and_the_record_its_counts() -> None:
    seen: list[int] = []
    settings = SETTINGS.model_copy(update={"batch": 300})
    state = fresh(settings)
    record = fit.run_until_evaluation(state, parts(settings), lambda step, _: seen.append(step))
    assert seen == [1, 2, 3]
    assert record is not None
    assert replace(record, train_nll=0, validation_nll=0) == Evaluation(1, 0, 0, 0, rollback=False, step=3)


@pytest.mark.parametrize("dimension", [1, 3])
def test_a_flow_without_weights_is_refused_by_name(dimension: int) -> None:
    layers = 4 if dimension == 1 else 0  # a flow of one column has no couplings
    empty = Architecture(dimension, layers, 8, 1, AffineCouplingSpec()).build(
        torch.zeros(dimension), torch.ones(dimension)
    )
    with pytest.raises(FitError, match=r"nothing to fit.* set layers .*, marginals, linear or components in \[flow\]"):
        fit.start(empty, SETTINGS, plan_fit(SETTINGS, 1000, dimension))
