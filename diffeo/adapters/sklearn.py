"""scikit-learn: a fitted flow as a density and an outlier detector, in pipelines and searches like any estimator."""

from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from diffeo.density import Density, Rows, Vector

from .random_state import State, drawn, seed_of

LARGEST_PART = 0.5


class FlowDensity(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """score_samples, sample and predict of a flow; methods and attributes mean what they mean in scikit-learn.

    `fit` leaves the flow as it is: it matches columns, by name where the rows have names, and finds the threshold.

    Args:
        flow: the density.
        contamination: part of the rows given to `fit` that `predict` calls outliers, above 0 and at most 0.5.
    """

    def __init__(self, flow: Density, *, contamination: float = 0.05) -> None:
        self.flow = flow
        self.contamination = contamination

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803  (scikit-learn's names)
        """Match the columns and find the threshold, `offset_`.

        Raises:
            ValueError: the rows are not rows of this flow, or contamination is out of range.
        """
        if not 0 < self.contamination <= LARGEST_PART:
            raise ValueError(f"contamination is {self.contamination}; expected more than 0, at most {LARGEST_PART}")
        rows = validate_data(self, X, dtype=np.float64)
        self.order_ = _order(self.flow.columns, getattr(self, "feature_names_in_", None), rows.shape[1])
        self.offset_ = float(np.quantile(self._score(rows), self.contamination))
        return self

    def score_samples(self, X: npt.ArrayLike) -> Vector:  # noqa: N803
        """Log density of each row, nats."""
        check_is_fitted(self)
        return self._score(validate_data(self, X, dtype=np.float64, reset=False))

    def score(self, X: npt.ArrayLike, y: object = None) -> float:  # noqa: ARG002, N803
        """Log-likelihood of all rows together, nats, as of a KernelDensity."""
        return float(self.score_samples(X).sum())

    def decision_function(self, X: npt.ArrayLike) -> Vector:  # noqa: N803
        """Log density above the threshold; an outlier is below 0."""
        # Before it is called for: an absent threshold is told as scikit-learn tells it.
        scores = self.score_samples(X)
        return np.asarray(scores - self.offset_)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.int_]:  # noqa: N803
        """1 for an ordinary row, -1 for an outlier and for a row without a density."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def sample(self, n_samples: int = 1, random_state: State = None) -> Rows:
        """Draw rows, columns as in `fit`; a whole number as random_state is the seed of the sample."""
        check_is_fitted(self)
        return np.asarray(drawn(self.flow, n_samples, seed_of(random_state))[:, np.argsort(self.order_)])

    def _score(self, rows: Rows) -> Vector:
        return self.flow.log_prob(rows[:, self.order_]).astype(np.float64)


def _order(columns: tuple[str, ...], names: Rows | None, width: int) -> list[int]:
    given = list(columns) if names is None else list(map(str, names))
    if width != len(columns) or set(given) != set(columns):
        told = "" if names is None else f" ({', '.join(given)})"
        raise ValueError(f"the rows have n_features={width}{told}; the flow takes {len(columns)}: {', '.join(columns)}")
    return [given.index(column) for column in columns]
