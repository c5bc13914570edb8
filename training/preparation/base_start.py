"""Starts the mixture that is the base of a flow: by expectation and maximisation on what reaches the base."""

from typing import Final

import torch

from diffeo.bundle import mixture

from ..errors import DataError
from ..flows.base.gaussian_mixture import GaussianMixture
from ..flows.flow import Flow
from ..quality.baselines.components import fit_components
from ..source import Array

MOST_ROWS: Final = 60_000
# Added to the variances of z, which are near 1.
REGULARISATION: Final = 1e-5


def start_base(flow: Flow, rows: Array, components: int, seed: int, regularisation: float = REGULARISATION) -> int:
    """Give a flow a mixture of so many Gaussians as base, fitted to the image of the rows under its transforms.

    The number of Gaussians is returned: it is smaller where one was left without rows.

    Args:
        flow: fresh, in the types of its weights.
        rows: training rows [n, D] as the graphs take them.
        components: Gaussians of the base.
        seed: of the start of the algorithm.
        regularisation: added to the variances of z.

    Raises:
        DataError: the rows are too few, or a covariance cannot be inverted.
    """
    few = torch.from_numpy(rows[:: -(-len(rows) // MOST_ROWS)])
    with torch.no_grad():
        z = flow.forward(few.to(next(flow.buffers()).dtype))[0].double().numpy()
    if len(z) < 2 * components * (z.shape[1] + 1):
        raise DataError(
            f"{len(z)} training rows are too few for a base of {components} components; set fewer in [flow]"
        )
    fitted = fit_components(z, components, regularisation, seed)
    if fitted is None:
        raise DataError(f"a base of {components} components cannot be fitted to these rows; set fewer in [flow]")
    flow.base = base_of(fitted)
    return len(fitted.weights)


def base_of(fitted: mixture.GaussianMixture) -> GaussianMixture:
    """The base with the density of a fitted mixture."""
    weights, means, factors = (torch.from_numpy(part) for part in (fitted.weights, fitted.means, fitted.factors))
    return GaussianMixture.started(weights, means, factors @ factors.mT)
