"""Small real tables of scikit-learn, and the loss of one full Gaussian on the same held-out rows, as they are."""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.mixture import GaussianMixture

from diffeo.training.split import split_rows

Rows = npt.NDArray[np.float64]

LOADERS: Final = {
    "wine": load_wine,
    "diabetes": load_diabetes,
    "breast_cancer": load_breast_cancer,
    "iris": load_iris,
    "digits": load_digits,
}
# scikit-learn's own default; a covariance of few rows in many columns needs more.
REGULARISATIONS: Final = (1e-6, 1e-4, 1e-2)


def real_table(name: str) -> tuple[list[str], Rows]:
    """Column names and rows; of the digits the pixels that differ."""
    content = LOADERS[name]()
    rows: Rows = content.data.astype(np.float64)
    varies = np.ptp(rows, axis=0) > 0
    names = [str(column) for column in content.feature_names]
    return [column for column, keep in zip(names, varies, strict=True) if keep], rows[:, varies]


def gaussian_nll(rows: Rows, seed: int = 0) -> float:
    """Loss of one full-covariance Gaussian of scikit-learn on the held-out rows of `diffeo fit`, nats per row.

    Columns are standardised, and the regularisation is the one with the lowest validation loss.
    """
    split = split_rows(rows, seed)
    mean, scale = split.moments()
    train, validation, test = ((part - mean) / scale for part in (split.train, split.validation, split.test))
    fits = [GaussianMixture(1, reg_covar=value, random_state=0).fit(train) for value in REGULARISATIONS]
    best = max(fits, key=lambda fit: float(fit.score(validation)))
    return float(np.log(scale).sum() - best.score(test))
