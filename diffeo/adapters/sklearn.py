"""scikit-learn: a fitted flow as a density estimator and outlier detector that works in pipelines and searches."""

from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from diffeo.density import Density, Rows, Vector

from .random_state import State, draw_rows, seed_from

LARGEST_CONTAMINATION = 0.5


class FlowDensity(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A flow with the methods of a density estimator and an outlier detector of scikit-learn.

    `fit` does not change the flow. It matches the columns, by name when the rows have names, and sets the threshold
    below which a row is an outlier.

    >>> from pathlib import Path
    >>> from diffeo.local.model import open_model
    >>> flow = open_model(Path("models"), "moons", None)
    >>> x = flow.sample(1000, seed=7)
    >>> detector = FlowDensity(flow, contamination=0.05).fit(x)
    >>> int((detector.predict(x) == -1).sum())
    50
    >>> detector.predict([[100.0, 100.0]])
    array([-1])

    Args:
        flow: the density.
        contamination: fraction of the rows given to `fit` that `predict` calls outliers, above 0 and at most 0.5.
    """

    def __init__(self, flow: Density, *, contamination: float = 0.05) -> None:
        self.flow = flow
        self.contamination = contamination

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803  (scikit-learn's names)
        """Match the columns and set the threshold `offset_`.

        Raises:
            ValueError: the rows do not have the columns of the flow, or contamination is out of range.
        """
        if not 0 < self.contamination <= LARGEST_CONTAMINATION:
            raise ValueError(
                f"contamination is {self.contamination}; expected more than 0, at most {LARGEST_CONTAMINATION}"
            )
        rows = validate_data(self, X, dtype=np.float64)
        self.order_ = _order(self.flow.columns, getattr(self, "feature_names_in_", None), rows.shape[1])
        self.offset_ = float(np.quantile(self._score(rows), self.contamination))
        return self

    def score_samples(self, X: npt.ArrayLike) -> Vector:  # noqa: N803
        """Log density of each row, nats."""
        check_is_fitted(self)
        return self._score(validate_data(self, X, dtype=np.float64, reset=False))

    def score(self, X: npt.ArrayLike, y: object = None) -> float:  # noqa: ARG002, N803
        """Log-likelihood of all rows together, nats, as in `sklearn.neighbors.KernelDensity`."""
        return float(self.score_samples(X).sum())

    def decision_function(self, X: npt.ArrayLike) -> Vector:  # noqa: N803
        """Log density minus the threshold, nats; an outlier is below 0."""
        # score_samples comes first, because it raises scikit-learn's error for an estimator that is not fitted.
        scores = self.score_samples(X)
        return np.asarray(scores - self.offset_)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.int_]:  # noqa: N803
        """1 for an inlier, -1 for an outlier or a row without a density."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def sample(self, n_samples: int = 1, random_state: State = None) -> Rows:
        """Draw rows, columns in the order of `fit`; a whole number as random_state is the seed of the sample."""
        check_is_fitted(self)
        return np.asarray(draw_rows(self.flow, n_samples, seed_from(random_state))[:, np.argsort(self.order_)])

    def _score(self, rows: Rows) -> Vector:
        return self.flow.log_prob(rows[:, self.order_]).astype(np.float64)


def _order(columns: tuple[str, ...], names: Rows | None, width: int) -> list[int]:
    given = list(columns) if names is None else list(map(str, names))
    if width != len(columns) or set(given) != set(columns):
        names_given = "" if names is None else f" ({', '.join(given)})"
        raise ValueError(
            f"the rows have n_features={width}{names_given}; the flow takes {len(columns)}: {', '.join(columns)}"
        )
    return [given.index(column) for column in columns]
