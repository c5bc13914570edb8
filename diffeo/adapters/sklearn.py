"""scikit-learn: a fitted flow as a density estimator and outlier detector that works in pipelines and searches."""

from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from diffeo.density import Density, Rows, Vector
from diffeo.errors import requires_extra
from diffeo.fitting import fit
from diffeo.tables import arrays, frames
from diffeo.tables.columns import check_width, positions
from diffeo.tables.errors import WrongColumns
from diffeo.tables.frames import Frame

from .random_state import State, draw_rows, seed_from

LARGEST_CONTAMINATION = 0.5
LEAST_ROWS = 10
# Truth values, dates, time differences, bytes and text, which a cast would turn into numbers.
UNSAFE_KINDS = frozenset("bMmSUT")
TEXT = (str, bytes, bool)


class FlowDensity(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A flow with the methods of a density estimator and an outlier detector of scikit-learn.

    Without a flow, `fit` fits one to its rows, as `diffeo.fit` does. A flow that is given is not changed. In both cases
    `fit` matches the columns, by name when the rows have names, and sets the threshold below which a row is an outlier.

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
        flow: the density; None fits one.
        contamination: fraction of the rows given to `fit` that `predict` calls outliers, above 0 and at most 0.5.
        budget: time for the fit of a flow, such as "90s"; by default the number of rows decides.
        steps: optimiser steps of the fit, in place of a budget.
        random_state: seed of the fit.

    Attributes:
        flow_: the density that is used: the given one, or the fitted `diffeo.local.model.LocalModel`.
        offset_: the threshold, nats.
    """

    def __init__(
        self,
        flow: Density | None = None,
        *,
        contamination: float = 0.05,
        budget: str | None = None,
        steps: int | None = None,
        random_state: int = 0,
    ) -> None:
        self.flow = flow
        self.contamination = contamination
        self.budget = budget
        self.steps = steps
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803  (scikit-learn's names)
        """Fit a flow if none was given, match the columns and set the threshold `offset_`.

        Raises:
            ValueError: the rows do not have the columns of the flow, cannot be fitted, or contamination is wrong.
        """
        if not 0 < self.contamination <= LARGEST_CONTAMINATION:
            raise ValueError(
                f"contamination is {self.contamination}; expected more than 0, at most {LARGEST_CONTAMINATION}"
            )
        self.flow_ = self._fitted(X) if self.flow is None else self.flow
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
        return np.asarray(draw_rows(self.flow_, n_samples, seed_from(random_state))[:, np.argsort(self.order_)])

    def _fitted(self, X: npt.ArrayLike) -> Density:  # noqa: N803
        """A flow that is fitted to the rows; every column is used, whatever it holds."""
        with requires_extra("FlowDensity without a flow", "train"):
            from diffeo.training.errors import TrainingError  # noqa: PLC0415  (an installation may have no torch)
        table: Frame | Rows
        if frames.is_frame(X):
            table, names = X, [str(name) for name in X.columns]
        else:
            with np.errstate(invalid="ignore"):
                table = rows = validate_data(self, _safe(X), dtype=np.float64, ensure_min_samples=2)
            names = [f"x{index}" for index in range(rows.shape[1])]
        try:
            return fit(
                table,
                budget=self.budget,
                steps=self.steps,
                columns=names,
                min_rows=LEAST_ROWS,
                seed=self.random_state,
                quiet=True,
            )
        except TrainingError as error:
            raise ValueError(str(error)) from error

    def _rows(self, X: npt.ArrayLike, *, reset: bool) -> Rows:  # noqa: N803
        """The columns of X in the order of the flow; `reset` stores the columns of X as those of `fit`."""
        # scikit-learn sums all numbers to find one that is not finite.
        with np.errstate(invalid="ignore"):
            if frames.has_names(X):
                return self._named_rows(X, reset=reset)
            rows = validate_data(self, _safe(X), dtype=np.float64, reset=reset)
        if reset:
            self.order_ = _unnamed_order(rows.shape[1], self.flow_.columns)
        return np.asarray(rows[:, self.order_])

    def _named_rows(self, X: npt.ArrayLike, *, reset: bool) -> Rows:  # noqa: N803
        columns = self.flow_.columns
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
        return self.flow_.log_prob(rows).astype(np.float64)


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
