"""`Baselines`: the two simpler models of one table, and their log densities of held-out rows."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from .gaussian import Gaussian
from .mixture import Mixture, WeightedRows

Array = npt.NDArray[np.float64]
BaselineName = Literal["gaussian", "mixture"]


@dataclass(frozen=True, slots=True)
class BaselineLogProb:
    """Log densities of held-out rows under a baseline.

    Attributes:
        name: of the baseline.
        components: Gaussians in it.
        log_prob: of each row [n], nats.
    """

    name: BaselineName
    components: int
    log_prob: Array


@dataclass(frozen=True, slots=True)
class Baselines:
    """One Gaussian with full covariance, and the best mixture by validation rows."""

    gaussian: Gaussian
    mixture: Mixture

    @classmethod
    def fit(  # noqa: PLR0913, PLR0917  (rows, their weights, and how)
        cls,
        train: Array,
        validation: Array,
        weights: Array | None = None,
        validation_weights: Array | None = None,
        seed: int = 0,
        effort: float = 1.0,
    ) -> Self:
        """Fit both to the training rows [n, D], in about ten seconds at most, times the effort.

        >>> rows = np.random.default_rng(0).standard_normal((2000, 2))
        >>> baselines = Baselines.fit(rows[:1500], rows[1500:])
        >>> [each.name for each in baselines.log_prob(rows)]
        ['gaussian', 'mixture']

        Args:
            train: finite rows in the user's units.
            validation: rows that choose the size of the mixture.
            weights: importance weights of the training rows [n], at least 0 and not all 0.
            validation_weights: of the validation rows.
            seed: of every random choice.
            effort: factor on the work that each size of the mixture may take.
        """
        gaussian = Gaussian.fit(train, weights, seed)
        mixture = Mixture.best(
            gaussian, WeightedRows(train, weights), WeightedRows(validation, validation_weights), seed, effort
        )
        return cls(gaussian, mixture)

    def log_prob(self, rows: Array, log_factor: Array | float = 0.0) -> tuple[BaselineLogProb, ...]:
        """The log densities of the rows [n, D] under both.

        Args:
            rows: rows in the units that the baselines were fitted in.
            log_factor: log|dy/dx| of each row [n], where the baselines were fitted to a function y of the user's x.
        """
        return (
            BaselineLogProb("gaussian", 1, self.gaussian.log_prob(rows) + log_factor),
            BaselineLogProb("mixture", self.mixture.components, self.mixture.log_prob(rows) + log_factor),
        )
