"""A plan warms up, falls along a cosine, evaluates often enough for a small table, and follows a clock."""

from dataclasses import dataclass
from itertools import pairwise

import pytest

from diffeo.training.fitting.budget import Budget, reserve_seconds
from diffeo.training.fitting.plan import FIRST_EVALUATION, Plan, plan_fit
from diffeo.training.recipe import FitSection

BASE = {"batch": 256, "learning_rate": 1e-3}


def settings(**values: object) -> FitSection:
    return FitSection.model_validate(BASE | values)


def test_the_rate_warms_up_and_falls_along_a_cosine() -> None:
    plan = Plan(steps=1000, warm_up=100, interval=50, patience=0)
    rates = [plan.learning_rate(step, 1.0) for step in range(1000)]
    assert rates[0] < 0.02
    assert max(rates) == pytest.approx(rates[99], abs=0.03)
    assert rates[500] == pytest.approx(0.5, abs=1e-3)
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("steps", [260, 500, 2000])
def test_a_revised_plan_continues_at_the_same_rate_and_ends_at_zero(steps: int) -> None:
    plan = Plan(steps=1000, warm_up=10, interval=50, patience=0)
    revised = plan.revised(250, steps)
    assert revised.learning_rate(250, 1.0) == pytest.approx(plan.learning_rate(250, 1.0))
    assert revised.learning_rate(steps - 1, 1.0) < 0.05
    assert revised.learning_rate(steps, 1.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("rows", [100, 1_000, 20_000, 400_000, 8_000_000])
def test_evaluations_come_early_and_in_every_size_of_table(rows: int) -> None:
    plan = plan_fit(settings(), rows, 4)
    evaluations = [0]
    while evaluations[-1] < plan.steps:
        evaluations.append(plan.next_evaluation(evaluations[-1]))
    assert FIRST_EVALUATION <= evaluations[1] < 2 * FIRST_EVALUATION
    assert min(after - before for before, after in pairwise(evaluations[:-1])) >= FIRST_EVALUATION
    assert len(evaluations) >= 20
    # A validation row costs a third of a training row: evaluations take at most a tenth of the time.
    assert plan.interval * 256 >= 0.999 * 10 / 3 * min(rows / 8, 50_000)


def test_a_recipe_with_epochs_evaluates_after_each_and_waits_for_epochs() -> None:
    plan = plan_fit(settings(epochs=200, patience=20), 800, 4)
    assert (plan.steps, plan.interval, plan.patience, plan.warm_up) == (600, 3, 60, 30)
    assert plan.next_evaluation(0) == 3


def test_the_size_of_the_table_decides_the_length_of_a_fit_without_epochs() -> None:
    lengths = [plan_fit(settings(), rows, 4).steps for rows in (100, 1_000, 10_000, 100_000)]
    assert lengths == sorted(lengths)
    assert plan_fit(settings(), 1_000, 20).steps > lengths[1]


def test_the_keys_that_count_steps_take_the_place_of_those_that_do_not() -> None:
    plan = plan_fit(settings(steps=5000, warm_up_steps=7, patience_steps=0), 1000, 2)
    assert (plan.steps, plan.warm_up, plan.patience) == (5000, 7, 0)
    assert not plan.may_end(5000, 0)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("true_pace", [0.002, 0.01, 0.05])
def test_a_budget_ends_the_plan_in_time_whatever_the_first_measurement_said(true_pace: float) -> None:
    clock = Clock()
    budget = Budget(seconds=120.0, reserve=10.0, started=0.0, clock=clock)
    plan, step = Plan(budget.steps(0.01), warm_up=100, interval=100, patience=0), 0
    while step < plan.steps:
        after = plan.next_evaluation(step)
        clock.now += true_pace * (after - step)
        step = after
        plan = budget.revised(plan, step)
    assert plan.learning_rate(step, 1.0) == pytest.approx(0.0, abs=1e-9)
    assert clock.now == pytest.approx(110.0, rel=0.03)


def test_a_steady_pace_leaves_the_plan_as_it_is() -> None:
    clock = Clock()
    budget = Budget(seconds=120.0, reserve=10.0, started=0.0, clock=clock)
    plan = Plan(budget.steps(0.01), warm_up=100, interval=100, patience=0)
    clock.now = 10.0
    assert budget.revised(plan, 1000) is plan


def test_a_budget_that_is_used_up_leaves_no_steps() -> None:
    clock = Clock()
    budget = Budget(seconds=20.0, reserve=5.0, started=0.0, clock=clock)
    plan = Plan(budget.steps(0.01), warm_up=0, interval=100, patience=0)
    clock.now = 100.0
    assert budget.revised(plan, 300).steps == 300


@pytest.mark.parametrize("budget", [1.0, 30.0, 3600.0])
def test_the_reserve_leaves_most_of_a_budget_to_the_steps(budget: float) -> None:
    assert 0 < reserve_seconds(budget, layers=8) < budget / 2
