"""The dropout of a conditioner: the right share of units is left out, and the mean of the others is kept."""

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


def test_the_units_that_are_left_out_depend_on_the_seed_alone() -> None:
    conditioner = Conditioner(2, 3, ConditionerShape(16, 2, residual=True, dropout=0.5)).train()
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
