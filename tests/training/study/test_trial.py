"""The settings of a trial fix its outcome; the cache stores the outcome under the digest of the settings."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from diffeo.training.flow_section import FlowSection
from diffeo.training.flows.architecture import flow_from_bytes
from diffeo.training.recipe import FitSection
from diffeo.training.study import store, trial
from diffeo.training.study.plan import Plan
from diffeo.training.study.results import METRICS, row
from diffeo.training.study.trial import Outcome, Trial


def small(**settings: object) -> Trial:
    content = {
        "experiment": "grid",
        "data": "moons",
        "rows": 300,
        "flow": FlowSection(layers=2, hidden=8),
        "fit": FitSection(epochs=2, batch=64, learning_rate=1e-3),
    }
    return Trial.model_validate(content | settings)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return trial.run(small(), None)


def without_seconds(outcome: Outcome) -> dict[str, float]:
    return {name: value for name, value in outcome.metrics.items() if "seconds" not in name}


def test_the_same_settings_give_the_same_metrics(outcome: Outcome) -> None:
    again = trial.run(small(), None)
    assert without_seconds(again) == without_seconds(outcome)
    assert again.records == outcome.records
    assert again.flow == outcome.flow


def test_the_stored_flow_is_the_measured_flow(outcome: Outcome) -> None:
    flow = flow_from_bytes(outcome.flow).requires_grad_(requires_grad=False)
    z, _ = flow.forward(torch.from_numpy(outcome.points["data"]))
    np.testing.assert_allclose(z.numpy(), outcome.points["z"], atol=1e-6)


def test_every_metric_has_a_column_in_the_results(outcome: Outcome) -> None:
    assert set(row(small(), outcome).metrics) <= set(METRICS)


def test_a_severed_fit_has_the_same_parameters_and_another_loss(outcome: Outcome) -> None:
    severed = trial.run(small(severed=True), None)
    assert severed.metrics["parameters"] == outcome.metrics["parameters"]
    assert severed.metrics["nll"] != outcome.metrics["nll"]


def test_a_severed_fit_with_one_layer_equals_a_normal_fit() -> None:
    one = {"flow": FlowSection(layers=1, hidden=8)}
    whole, severed = (trial.run(small(severed=cut, **one), None) for cut in (False, True))
    assert whole.metrics["nll"] == severed.metrics["nll"]


@pytest.mark.parametrize("change", [{"rows": 301}, {"severed": True}, {"flow": FlowSection(layers=3, hidden=8)}])
def test_other_settings_give_another_id_and_digest(change: dict[str, object]) -> None:
    assert small().id != small(**change).id
    assert small().digest != small(**change).digest


def test_other_code_changes_the_digest_but_not_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = small()
    name, digest = before.id, before.digest
    monkeypatch.setattr(trial, "code", lambda *_: "other code")
    assert small().id == name
    assert small().digest != digest


def test_a_stored_outcome_is_loaded_unchanged(outcome: Outcome, tmp_path: Path) -> None:
    assert not store.has(tmp_path, "a")
    store.save(tmp_path, "a", outcome)
    assert store.has(tmp_path, "a")
    loaded = store.load(tmp_path, "a")
    assert (loaded.metrics, loaded.records, loaded.flow) == (outcome.metrics, outcome.records, outcome.flow)
    assert all(np.array_equal(loaded.points[name], points) for name, points in outcome.points.items())


def test_a_crash_during_a_write_leaves_nothing_in_the_cache(
    outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", crash)
    with pytest.raises(KeyboardInterrupt):
        store.save(tmp_path, "a", outcome)
    assert not store.has(tmp_path, "a")


def test_storing_an_outcome_twice_leaves_one_entry(outcome: Outcome, tmp_path: Path) -> None:
    store.save(tmp_path, "a", outcome)
    store.save(tmp_path, "a", outcome)
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208  (hidden drafts count)


@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
def test_the_plan_has_every_trial_once_and_the_most_costly_first(quick: bool) -> None:  # noqa: FBT001
    trials = Plan(quick=quick).trials()
    assert len({one.id for one in trials}) == len(trials)
    costs = [one.cost for one in trials]
    assert costs == sorted(costs, reverse=True)


def test_the_plan_has_the_grid_of_the_coursework_and_the_variants_of_a() -> None:
    plan = Plan(quick=False)
    grid = {(t.data, t.flow.layers, t.flow.hidden, t.fit.epochs, t.fit.seed) for t in plan.trials(["grid"])}
    sizes = [(512, 10), (512, 20), (1024, 10), (1024, 20)]
    assert grid == {
        (d, k, h, e, s) for d in ("moons", "circles") for k in (1, 3, 5) for h, e in sizes for s in (0, 1, 2)
    }
    held = {(t.data, t.flow.block, t.flow.det) for t in plan.trials(["triangular"])}
    variants = [(0, None), (1, None), (2, None), *((2, det) for det in (0.01, 0.1, 1.0, 10.0, 100.0))]
    assert held == {(data, *variant) for data in ("product of moons", "magic", "protein") for variant in variants}
