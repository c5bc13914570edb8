"""Dropout and noise of a conditioner: in a fit alone, with the right size, and from the seed alone."""

import pytest
import torch

from diffeo.training.flows.conditioner import Conditioner, ConditionerShape, ResidualBlock


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_a_step_leaves_out_a_share_of_the_units_and_keeps_their_mean(dropout: float) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(64, dropout)
    torch.nn.init.zeros_(block.inner.weight)
    torch.nn.init.ones_(block.inner.bias)  # every unit is 1
    torch.nn.init.eye_(block.outer.weight)
    units = block.train().forward(torch.zeros(4000, 64)).detach()
    assert float((units == 0).float().mean()) == pytest.approx(dropout, abs=0.01)
    assert float(units.mean()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("shape", [{"dropout": 0.5}, {"noise": 0.1}, {"dropout": 0.5, "noise": 0.1}])
def test_the_random_part_of_a_step_depends_on_the_seed_alone(shape: dict[str, float]) -> None:
    conditioner = Conditioner(2, 3, ConditionerShape(16, 2, residual=True, **shape)).train()
    assert conditioner.is_random
    torch.nn.init.normal_(conditioner.linear_layers()[-1].weight)
    for block in conditioner.modules():
        if isinstance(block, ResidualBlock):
            torch.nn.init.normal_(block.outer.weight)
    answers = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        answers.append(conditioner.forward(torch.ones(5, 2)))
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])
    torch.testing.assert_close(conditioner.eval().forward(torch.ones(1, 2)), conditioner.forward(torch.ones(1, 2)))


def test_noise_has_its_spread_and_is_added_in_a_fit_alone() -> None:
    torch.manual_seed(0)
    conditioner = Conditioner(1, 1, ConditionerShape(1, 0, residual=True, noise=0.3))
    first, last = conditioner.linear_layers()
    for weights in (first.weight, first.bias, last.weight):
        torch.nn.init.ones_(weights)  # the answer is 1 plus the input, where that is positive
    with torch.no_grad():
        answers = conditioner.train().forward(torch.full((20_000, 1), 5.0))
        assert float(answers.std()) == pytest.approx(0.3, rel=0.03)
        assert float(conditioner.eval().forward(torch.full((2, 1), 5.0)).std()) == 0


def test_a_plain_conditioner_is_not_random() -> None:
    assert not Conditioner(2, 3, ConditionerShape(16, 2)).is_random
