"""scipy.stats: logpdf, pdf and rvs of a flow in the shapes of a frozen `multivariate_normal`."""

import math

import numpy as np
import numpy.typing as npt

from diffeo.density import Density

from .random_state import State, drawn, seed_of

Array = npt.NDArray[np.float64]


class FlowDistribution:
    """A flow as a frozen distribution; axes of length 1 are left out of answers, as SciPy does.

    Args:
        flow: the density.
        seed: where random numbers come from for `rvs` without a random_state of its own.

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
        points = self._points(np.asarray(x, dtype=np.float64))
        nats = self._flow.log_prob(points.reshape(-1, self.dim)).astype(np.float64)
        return _squeezed(nats.reshape(points.shape[:-1]))

    def pdf(self, x: npt.ArrayLike) -> Array:
        """Density, in one over the units of x multiplied."""
        return _squeezed(np.exp(self.logpdf(x)))

    def rvs(self, size: int | tuple[int, ...] = 1, random_state: State = None) -> Array:
        """Draw points [*size, dim]; a whole number as random_state is the seed of the sample."""
        shape = (size,) if isinstance(size, int) else tuple(size)
        seed = seed_of(self.random_state if random_state is None else random_state)
        return _squeezed(drawn(self._flow, math.prod(shape), seed).astype(np.float64).reshape(*shape, self.dim))

    def _points(self, x: Array) -> Array:
        # A vector is one point, or one component of many where a point has no other.
        if x.ndim == 0:
            x = x[None]
        if x.ndim == 1:
            x = x[:, None] if self.dim == 1 else x[None, :]
        if x.shape[-1] != self.dim:
            raise ValueError(f"points have {x.shape[-1]} components; this flow takes {self.dim}")
        return x


def _squeezed(values: Array) -> Array:
    kept = np.squeeze(values)
    return kept[()] if kept.ndim == 0 else kept
