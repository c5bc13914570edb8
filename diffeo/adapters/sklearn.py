"""scikit-learn: a fitted flow as a density estimator and outlier detector that works in pipelines and searches."""

from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from diffeo.density import Density, Rows, Vector
from diffeo.tables import arrays, frames
from diffeo.tables.columns import check_width, positions
from diffeo.tables.errors import WrongColumns

from .random_state import State, draw_rows, seed_from

LARGEST_CONTAMINATION = 0.5
# Truth values, dates, time differences, bytes and text, which a cast would turn into numbers.
UNSAFE_KINDS = frozenset("bMmSUT")
TEXT = (str, bytes, bool)


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
        rows = self._rows(X, reset=True)
        self.offset_ = float(np.quantile(self._score(rows), self.contamination))
        return self

    def score_samples(self, X: npt.ArrayLike) -> Vector:  # noqa: N803
        """Log density of each row, nats."""
        check_is_fitted(self)
        return self._score(self._rows(X, reset=False))

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

    def _rows(self, X: npt.ArrayLike, *, reset: bool) -> Rows:  # noqa: N803
        """The columns of X in the order of the flow; `reset` stores the columns of X as those of `fit`."""
        # scikit-learn sums all numbers to find one that is not finite.
        with np.errstate(invalid="ignore"):
            if frames.has_names(X):
                return self._named_rows(X, reset=reset)
            rows = validate_data(self, _safe(X), dtype=np.float64, reset=reset)
        if reset:
            self.order_ = _unnamed_order(rows.shape[1], self.flow.columns)
        return np.asarray(rows[:, self.order_])

    def _named_rows(self, X: npt.ArrayLike, *, reset: bool) -> Rows:  # noqa: N803
        columns = self.flow.columns
        rows = frames.rows(X, columns)
        if frames.is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
        else:
            validate_data(self, rows, reset=reset)
        if reset:
            names = getattr(self, "feature_names_in_", columns)
            self.order_ = positions([str(name) for name in names], columns)
        return np.asarray(check_array(rows, dtype=np.float64))

    def _score(self, rows: Rows) -> Vector:
        return self.flow.log_prob(rows).astype(np.float64)


def _unnamed_order(width: int, columns: tuple[str, ...]) -> list[int]:
    try:
        check_width(width, columns)
    except WrongColumns as error:
        # The sentence begins with the words that scikit-learn's checks of estimators expect.
        raise WrongColumns(f"n_features={width}: {error}") from None
    return list(range(width))


def _safe(array: npt.ArrayLike) -> npt.ArrayLike:
    """The array, if scikit-learn's cast to float64 keeps its meaning; a masked value becomes NaN."""
    kind = getattr(array, "dtype", np.dtype(np.float64)).kind
    is_unsafe = np.ma.isMaskedArray(array) or kind in UNSAFE_KINDS
    # scikit-learn refuses other objects itself, with the sentence that its checks of estimators expect.
    has_text = kind == "O" and isinstance(array, np.ndarray) and any(isinstance(value, TEXT) for value in array.flat)
    return arrays.numbers(array) if is_unsafe or has_text else array
