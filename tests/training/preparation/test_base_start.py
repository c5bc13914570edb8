"""The base of a flow starts as the mixture that fits what reaches it, and a fit improves it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diffeo.bundle.manifest import BASE_NAME
from diffeo.training import recipe, run
from diffeo.training.errors import DataError
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.base.gaussian_mixture import GaussianMixture
from diffeo.training.preparation.base_start import start_base

DRAW = np.random.default_rng(3)
CENTRES = np.array([[-5.0, 0.0], [5.0, 0.0], [0.0, 8.0]])
ROWS = 1e3 * (7 + CENTRES[DRAW.integers(0, 3, 1500)] + DRAW.normal(size=(1500, 2)))


def started(components: int, rows: np.ndarray = ROWS) -> GaussianMixture:
    architecture = Architecture(2, 2, 8, 1, AffineCouplingSpec(), components=components)
    flow = architecture.build(torch.from_numpy(rows.mean(axis=0)).float(), torch.from_numpy(rows.std(axis=0)).float())
    start_base(flow, rows, components, seed=0)
    assert isinstance(flow.base, GaussianMixture)
    return flow.base


def test_a_base_starts_at_the_clusters_of_the_rows_that_reach_it() -> None:
    means = np.sort(started(3).means.detach().numpy(), axis=0)
    expected = np.sort((1e3 * (7 + CENTRES) - ROWS.mean(axis=0)) / ROWS.std(axis=0), axis=0)
    np.testing.assert_allclose(means, expected, atol=0.05)


@pytest.mark.parametrize(("components", "sentence"), [(300, "too few"), (3, "cannot be fitted")])
def test_rows_that_give_no_mixture_are_refused(components: int, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffeo.training.preparation.base_start.fit_components", lambda *_: None)
    with pytest.raises(DataError, match=sentence):
        started(components)


def test_a_recipe_with_components_publishes_a_mixture_as_base(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "rows.csv", ROWS, delimiter=",", header="a,b", comments="", fmt="%.7g")
    content: dict[str, object] = {
        "name": "clusters",
        "data": {"file": str(tmp_path / "rows.csv")},
        "flow": {"layers": 0, "hidden": 1, "components": 3},
        "fit": {"steps": 30, "batch": 256, "learning_rate": 1e-3},
    }
    options = run.Options(models=tmp_path / "models", runs=tmp_path / "runs", device="cpu", threads=1, quiet=True)
    report = run.run(recipe.parse(content, "clusters.toml"), options)
    assert "published: the fitted flow" in str(report)
    assert report.bundle.manifest.base.kind == "gaussian_mixture"
    assert BASE_NAME in report.bundle.files
    gaussian, mixture = report.quality.baselines
    assert gaussian.lead > 0.5
    assert mixture.lead > -0.02
    latent = next(finding for finding in report.quality.findings if finding.kind == "latent")
    assert latent.matched
