"""The flow with the lowest validation loss is published, and the simplest one where no other beats it."""

import math

import pytest
import torch
from torch import Tensor

from diffeo.training.fitting.batches import FitRows, TrainingRows
from diffeo.training.fitting.choice import Candidate, choose
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture

SHAPE = Architecture(2, 0, 1, 1, AffineCouplingSpec(limit=1.0))
ROWS = torch.randn(400, 2, generator=torch.Generator().manual_seed(1))


def fit_rows(weights: Tensor | None = None, draws: int = 1) -> FitRows:
    """Validation rows that are drawn so often, without training rows."""
    train = TrainingRows(lambda _: ROWS, len(ROWS), 64, 0)
    return FitRows(train, ROWS.repeat(draws, 1), None if weights is None else weights.repeat(draws))


def candidate(name: str, scale: float, mean: float = 0.0) -> Candidate:
    """A Gaussian; the rows are standard normal, so a scale of 1 fits them best."""
    return Candidate(name, SHAPE.build(torch.full((2,), mean), torch.full((2,), scale)), SHAPE)


FEW = ROWS[:12] - ROWS[:12].mean(dim=0) + 0.1
NEAR = [candidate("one Gaussian", 1.0), candidate("hardly better", 1.0, mean=0.1)]


@pytest.mark.parametrize("scales", [(1.0, 2.0), (2.0, 1.0), (3.0, 2.0, 1.0, 5.0)])
def test_the_lowest_loss_wins_wherever_it_stands(scales: tuple[float, ...]) -> None:
    choice = choose([candidate(str(scale), scale) for scale in scales], fit_rows())
    assert choice.candidate.name == "1.0"
    assert choice.nll["1.0"] == min(choice.nll.values())
    assert list(choice.nll) == [str(scale) for scale in scales]


def test_a_fit_that_only_equals_the_gaussian_is_not_published() -> None:
    choice = choose([candidate("one Gaussian", 1.0), candidate("the fitted flow", 1.0)], fit_rows())
    assert choice.candidate.name == "one Gaussian"


@pytest.mark.parametrize("order", [1, -1])
def test_a_flow_without_a_finite_loss_is_never_chosen_before_another(order: int) -> None:
    candidates = [candidate("broken", math.nan), candidate("far", math.inf, 1.0), candidate("one Gaussian", 3.0)]
    assert choose(candidates[::order], fit_rows()).candidate.name == "one Gaussian"


def test_weights_decide_which_rows_count() -> None:
    candidates = [candidate("near", 0.1), candidate("wide", 2.0)]
    inner = (ROWS.norm(dim=1) < 0.2).float()
    assert choose(candidates, fit_rows()).candidate.name == "wide"
    assert choose(candidates, fit_rows(inner)).candidate.name == "near"


def test_a_lead_within_its_standard_error_is_none() -> None:
    choice = choose(NEAR, FitRows(fit_rows().train, FEW))
    assert choice.nll["hardly better"] < choice.nll["one Gaussian"]
    assert choice.candidate.name == "one Gaussian"


def test_draws_of_the_same_rows_are_no_more_rows() -> None:
    often = FitRows(fit_rows().train, FEW.repeat(100, 1))
    assert choose(NEAR, often, draws=100).candidate.name == "one Gaussian"
    assert choose(NEAR, often).candidate.name == "hardly better"


def test_the_next_choice_is_the_best_of_the_others() -> None:
    choice = choose([candidate(str(scale), scale) for scale in (3.0, 1.0, 1.3)], fit_rows())
    assert [choice.candidate.name, choice.without_chosen().candidate.name] == ["1.0", "1.3"]


def test_the_sentence_names_the_chosen_one_and_all_losses() -> None:
    choice = choose([candidate("one Gaussian", 1.0), candidate("the fitted flow", 2.0)], fit_rows())
    assert str(choice) == (
        f"published: one Gaussian, {choice.nll['one Gaussian']:.4f} nats a row on the validation rows "
        f"(others: the fitted flow {choice.nll['the fitted flow']:.4f})"
    )
    assert not str(choose([candidate("the fitted flow", 1.0)], fit_rows()))
