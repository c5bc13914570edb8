"""SciPy: a flow with the methods and array shapes of a frozen `scipy.stats.multivariate_normal`."""

import math

import numpy as np
import numpy.typing as npt

from diffeo.density import Density
from diffeo.tables import arrays

from .random_state import State, draw_rows, seed_from

Array = npt.NDArray[np.float64]


class FlowDistribution:
    """A flow as a frozen distribution; axes of length 1 are removed from results, as in SciPy.

    >>> from pathlib import Path
    >>> from diffeo.local.model import open_model
    >>> distribution = FlowDistribution(open_model(Path("models"), "moons", None), seed=7)
    >>> points = distribution.rvs(4)
    >>> points.shape
    (4, 2)
    >>> distribution.logpdf(points).shape
    (4,)

    Args:
        flow: the density.
        seed: random state of `rvs` when it is called without one.

    Attributes:
        dim: number of components of a point.
    """

    def __init__(self, flow: Density, seed: State = None) -> None:
        self.dim = len(flow.columns)
        self.random_state = seed
        self._flow = flow

    def logpdf(self, x: npt.ArrayLike) -> Array:
        """Log density, nats.

        Args:
            x: points [..., dim].
        """
        points = self._points(arrays.numbers(x).astype(np.float64))
        nats = self._flow.log_prob(points.reshape(-1, self.dim)).astype(np.float64)
        return _squeeze(nats.reshape(points.shape[:-1]))

    def pdf(self, x: npt.ArrayLike) -> Array:
        """Density; its unit is one over the product of the units of the columns."""
        return _squeeze(np.exp(self.logpdf(x)))

    def rvs(self, size: int | tuple[int, ...] = 1, random_state: State = None) -> Array:
        """Draw points [*size, dim]; a whole number as random_state is the seed of the sample."""
        shape = (size,) if isinstance(size, int) else tuple(size)
        seed = seed_from(self.random_state if random_state is None else random_state)
        return _squeeze(draw_rows(self._flow, math.prod(shape), seed).astype(np.float64).reshape(*shape, self.dim))

    def _points(self, x: Array) -> Array:
        # A vector is one point. In one dimension it is many points of one component each.
        if x.ndim == 0:
            x = x[None]
        if x.ndim == 1:
            x = x[:, None] if self.dim == 1 else x[None, :]
        if x.shape[-1] != self.dim:
            raise ValueError(f"points have {x.shape[-1]} components; this flow takes {self.dim}")
        return x


def _squeeze(values: Array) -> Array:
    squeezed = np.squeeze(values)
    # SciPy returns a NumPy scalar, not an array without axes.
    return squeezed[()] if squeezed.ndim == 0 else squeezed
