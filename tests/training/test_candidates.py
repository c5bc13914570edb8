"""The flows of one Gaussian and of the best mixture have their densities: what is published is never worse."""

import numpy as np
import pytest
import torch

from diffeo.training.candidates import (
    gaussian_flow,
    mixture_candidates,
    simple_candidates,
)
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture, flow_from_bytes, flow_to_bytes
from diffeo.training.preparation.start_rows import start_rows
from diffeo.training.quality.baselines.baselines import Baselines
from diffeo.training.quality.baselines.gaussian import Gaussian
from diffeo.training.source import Dataset
from diffeo.training.split import split_rows

DRAW = np.random.default_rng(5)
ROWS = {
    "one column": DRAW.normal(5, 2, (200, 1)),
    "correlated": DRAW.normal(size=(500, 3)) @ np.array([[1, 0.9, 0], [0, 0.1, 3], [0, 0, 7.0]]),
    "few rows": DRAW.normal(size=(20, 15)),
    "far from zero": 1e5 + DRAW.normal(size=(300, 2)),
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS.keys())
def test_the_flow_of_a_gaussian_has_its_density(rows: np.ndarray) -> None:
    gaussian = Gaussian.fit(rows)
    flow = gaussian_flow(gaussian, "float64").double()
    np.testing.assert_allclose(
        flow.log_prob(torch.from_numpy(rows)).detach().numpy(), gaussian.log_prob(rows), rtol=1e-5, atol=1e-5
    )


def test_the_splines_of_each_flow_are_a_candidate_once() -> None:
    rows = np.exp(DRAW.normal(size=(600, 2)))
    baselines = Baselines.fit(rows[:500], rows[500:])
    shapes = [Architecture(2, 2, 8, 1, AffineCouplingSpec(), marginals=pieces) for pieces in (8, 0, 4, 8)]
    found = simple_candidates(baselines, rows, shapes, "float32", torch.device("cpu"))
    splines = "one spline for each column and one Gaussian"
    assert [each.name for each in found] == ["one Gaussian", f"{splines} (4 pieces)", f"{splines} (8 pieces)"]


def two_clusters(rows: int, dimension: int) -> np.ndarray:
    centres = np.where(DRAW.random((rows, 1)) < 0.3, -4.0, 4.0)
    return 1e3 + 50 * (centres + DRAW.normal(size=(rows, dimension)))


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_the_flow_of_a_mixture_has_its_density(dimension: int) -> None:
    rows = two_clusters(1200, dimension)
    baselines = Baselines.fit(rows[:1000], rows[1000:])
    plain = Architecture(dimension, 0, 1, 1, AffineCouplingSpec())
    (found,) = mixture_candidates(baselines, rows[:1000], [plain], "float64", torch.device("cpu"))
    log_prob = found.flow.double().log_prob(torch.from_numpy(rows)).detach().numpy()
    np.testing.assert_allclose(log_prob, baselines.mixture.log_prob(rows), rtol=1e-4, atol=1e-4)
    again = flow_from_bytes(flow_to_bytes(found.flow, found.architecture))
    np.testing.assert_array_equal(again.double().log_prob(torch.from_numpy(rows)).detach().numpy(), log_prob)


def test_a_mixture_of_what_splines_make_of_the_rows_beats_one_of_the_rows() -> None:
    rows = np.exp(two_clusters(3000, 2) / 50 - 20)  # clusters that are far from normal
    baselines = Baselines.fit(rows[:2500], rows[2500:])
    shape = Architecture(2, 2, 8, 1, AffineCouplingSpec(), marginals=16)
    plain, behind = mixture_candidates(baselines, rows[:2500], [shape], "float64", torch.device("cpu"))
    losses = [-each.flow.log_prob(torch.from_numpy(rows[2500:])).mean().item() for each in (plain, behind)]
    assert losses[1] < losses[0] - 0.1


def test_one_gaussian_gives_no_mixture() -> None:
    rows = DRAW.normal(size=(600, 2))
    baselines = Baselines.fit(rows[:500], rows[500:])
    shape = Architecture(2, 2, 8, 1, AffineCouplingSpec(), marginals=16)
    assert not [*mixture_candidates(baselines, rows, [shape], "float64", torch.device("cpu"))]


def test_the_rows_that_start_a_flow_follow_the_weights() -> None:
    rows = np.repeat([[0.0], [1.0]], 5000, axis=0)
    weights = np.where(rows[:, 0] == 1, 3.0, 1.0)
    dataset = Dataset(("x",), split_rows(rows, 0, weights), len(rows), "0" * 64, None)
    assert start_rows(dataset, 0).mean() == pytest.approx(0.75, abs=0.02)
