"""The simple flows that a fitted flow must beat on the validation rows: one Gaussian, splines, and mixtures."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Final

import torch

from diffeo.bundle.manifest import Dtype

from . import export
from .background import in_background
from .errors import DataError
from .fitting.choice import Candidate
from .flows.affine import AffineCouplingSpec
from .flows.architecture import Architecture, flow_from_bytes, flow_to_bytes
from .flows.flow import Flow
from .flows.linear import Linear
from .flows.standardise import Standardise
from .preparation.base_start import REGULARISATION, base_of, start_base
from .quality.baselines.baselines import Baselines
from .quality.baselines.gaussian import Gaussian
from .quality.baselines.mixture import ScaledMixture
from .source import Array

# Rows that start a mixture behind splines, at most. It starts when a budget is nearly used up.
MOST_ROWS: Final = 20_000
ONE_GAUSSIAN: Final = "one Gaussian"
MIXTURE: Final = "the best mixture of Gaussians"
SPLINES: Final = "one spline for each column and one Gaussian"
SPLINE_MIXTURE: Final = "one spline for each column and a mixture of Gaussians"


def simple_candidates(
    baselines: Baselines, rows: Array, architectures: Sequence[Architecture], dtype: Dtype, device: torch.device
) -> Iterator[Candidate]:
    """The candidates, the simplest first.

    Args:
        baselines: the Gaussian of them becomes a flow without couplings.
        rows: training rows that start the splines [n, D].
        architectures: of the fitted flows; their splines are candidates without their couplings.
        dtype: input type of the flow.
        device: of the fit.
    """
    plain = Architecture(architectures[0].dimension, 0, 1, 1, AffineCouplingSpec(), linear="first")
    yield Candidate(ONE_GAUSSIAN, gaussian_flow(baselines.gaussian, dtype).to(device), plain)
    for pieces in _pieces(architectures):
        shape = replace(plain, marginals=pieces)
        yield Candidate(f"{SPLINES} ({pieces} pieces)", _started(shape, rows, dtype).to(device), shape)


def mixture_candidates(
    baselines: Baselines,
    rows: Array,
    architectures: Sequence[Architecture],
    dtype: Dtype,
    device: torch.device,
) -> Iterator[Candidate]:
    """The best mixture of Gaussians, and mixtures of as many of what splines make of the rows; none if it has one.

    Args:
        baselines: hold the best mixture.
        rows: training rows that start the splines [n, D].
        architectures: of the fitted flows; their splines are taken.
        dtype: input type of the flow.
        device: of the fit.
    """
    density, components = baselines.mixture.density, baselines.mixture.components
    if not isinstance(density, ScaledMixture):
        return
    # Few rows need the larger one: the splines do not keep a component from closing in on single rows.
    regularisation = max(REGULARISATION, baselines.mixture.regularisation)
    plain = Architecture(density.scaling.centre.size, 0, 1, 1, AffineCouplingSpec(), components=components)
    yield Candidate(MIXTURE, mixture_flow(density, dtype).to(device), plain)
    shapes = [replace(plain, marginals=pieces) for pieces in _pieces(architectures)]
    with ExitStack() as stack:
        contents = [
            stack.enter_context(in_background(partial(_spline_mixture, shape, rows, dtype, regularisation)))
            for shape in shapes
        ]
        for shape, content in zip(shapes, contents, strict=True):
            if (found := content()) is not None:
                file, components = found
                name = f"{SPLINE_MIXTURE} ({shape.marginals} pieces)"
                yield Candidate(name, flow_from_bytes(file).to(device), replace(shape, components=components))


def _spline_mixture(shape: Architecture, rows: Array, dtype: Dtype, regularisation: float) -> tuple[bytes, int] | None:
    """The file of a flow of splines over a mixture, and its components; None if the rows have no such mixture."""
    flow = _started(shape, rows, dtype)
    try:
        some = rows[:: -(-len(rows) // MOST_ROWS)]
        started = start_base(flow, some, shape.components, seed=0, regularisation=regularisation)
    except DataError:
        return None
    return flow_to_bytes(flow, replace(shape, components=started)), started


def _pieces(architectures: Sequence[Architecture]) -> list[int]:
    return sorted({each.marginals for each in architectures if each.marginals})


def _started(shape: Architecture, rows: Array, dtype: Dtype) -> Flow:
    kind = export.TORCH_TYPE[dtype]
    start = torch.tensor(rows, dtype=torch.float64)
    moments = start.mean(dim=0).to(kind), start.std(dim=0, correction=0).to(kind)
    return shape.build(*moments, rows=start)


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
    return Flow([Standardise(centre, scale)], base_of(fitted))
