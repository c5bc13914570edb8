"""The simple flows that a fitted flow must beat on the validation rows: one Gaussian, splines, and a mixture."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import torch

from diffeo.bundle.manifest import Dtype

from . import export
from .fitting.choice import Candidate
from .flows.affine import AffineCouplingSpec
from .flows.architecture import Architecture
from .flows.base.gaussian_mixture import GaussianMixture
from .flows.flow import Flow
from .flows.linear import Linear
from .flows.standardise import Standardise
from .quality.baselines.baselines import Baselines
from .quality.baselines.gaussian import Gaussian
from .quality.baselines.mixture import ScaledMixture
from .quality.thinning import resampled
from .source import Array, Dataset, stream
from .split import Numbers

# More rows would move quantiles and covariances by less than a fit does.
START_ROWS: Final = 200_000
BASELINE_ROWS: Final = 500_000
VALIDATION_PLACES: Final = "places of the validation rows"
ONE_GAUSSIAN: Final = "one Gaussian"
MIXTURE: Final = "the best mixture of Gaussians"
SPLINES: Final = "one spline for each column and one Gaussian"
FITTED: Final = "the fitted flow"


def start_numbers(dataset: Dataset, seed: int) -> Numbers:
    """Numbers of the training rows that start a flow; with weights they follow the weighted law."""
    numbers = dataset.split.train_rows
    weights = dataset.split.weights_of(numbers)
    if weights is not None:
        numbers = numbers[resampled(weights, min(START_ROWS, len(numbers)), seed)]
    return _spaced(numbers, START_ROWS)


def start_rows(dataset: Dataset, seed: int) -> Array:
    """The rows that start a flow [n, D], as the graphs take them."""
    return dataset.drawn(start_numbers(dataset, seed), stream(seed, "places of the start"))


def fit_baselines(dataset: Dataset, seed: int) -> Baselines:
    """One Gaussian and the best mixture, fitted to at most BASELINE_ROWS training rows as the graphs take them."""
    split = dataset.split
    numbers = _spaced(split.train_rows, BASELINE_ROWS)
    validation_weights = split.weights_of(split.validation_rows)
    return Baselines.fit(
        dataset.drawn(numbers, stream(seed, "places of the baselines")),
        dataset.drawn_often(split.validation_rows, seed, VALIDATION_PLACES),
        split.weights_of(numbers),
        None if validation_weights is None else np.tile(validation_weights, dataset.draws),
        seed,
    )


def _spaced(numbers: Numbers, most: int) -> Numbers:
    """At most so many of the row numbers, evenly spaced; a split has them in random order."""
    return numbers[:: -(-len(numbers) // most)]


def simple_candidates(
    baselines: Baselines, rows: Array, architecture: Architecture, dtype: Dtype, device: torch.device
) -> Iterator[Candidate]:
    """The candidates, the simplest first.

    Args:
        baselines: the Gaussian of them becomes a flow without couplings.
        rows: training rows that start the splines [n, D].
        architecture: of the fitted flow; splines are a candidate if it has them.
        dtype: input type of the flow.
        device: of the fit.
    """
    dimension = architecture.dimension
    plain = Architecture(dimension, 0, 1, 1, AffineCouplingSpec(), linear="first")
    yield Candidate(ONE_GAUSSIAN, gaussian_flow(baselines.gaussian, dtype).to(device), plain)
    if architecture.marginals:
        kind = export.TORCH_TYPE[dtype]
        start = torch.tensor(rows, dtype=torch.float64)
        moments = start.mean(dim=0).to(kind), start.std(dim=0, correction=0).to(kind)
        with_splines = replace(plain, marginals=architecture.marginals)
        yield Candidate(SPLINES, with_splines.build(*moments, rows=start).to(device), with_splines)


def mixture_candidate(baselines: Baselines, dtype: Dtype, device: torch.device) -> Candidate | None:
    """The best mixture as a flow without couplings; None if it has one component only."""
    density, components = baselines.mixture.density, baselines.mixture.components
    if not isinstance(density, ScaledMixture):
        return None
    shape = Architecture(density.scaling.centre.size, 0, 1, 1, AffineCouplingSpec(), components=components)
    return Candidate(MIXTURE, mixture_flow(density, dtype).to(device), shape)


def gaussian_flow(gaussian: Gaussian, dtype: Dtype) -> Flow:
    """The flow with the density of a Gaussian."""
    kind = export.TORCH_TYPE[dtype]
    factor = torch.from_numpy(gaussian.cholesky)
    centre, scale = (torch.tensor(value, dtype=kind) for value in (gaussian.scaling.centre, gaussian.scaling.scale))
    return Flow(
        [Standardise(centre, scale), Linear.whitening(torch.from_numpy(gaussian.mean), factor @ factor.T).float()]
    )


def mixture_flow(density: ScaledMixture, dtype: Dtype) -> Flow:
    """The flow with the density of a mixture: standardisation, and the mixture as its base."""
    kind, fitted = export.TORCH_TYPE[dtype], density.mixture
    centre, scale = (torch.tensor(value, dtype=kind) for value in (density.scaling.centre, density.scaling.scale))
    parts = (torch.from_numpy(part) for part in (fitted.weights_, fitted.means_, fitted.covariances_))
    return Flow([Standardise(centre, scale)], GaussianMixture.started(*parts))
