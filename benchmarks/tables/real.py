"""Small real tables of scikit-learn, and the loss of one full Gaussian on the same held-out rows, as they are."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.mixture import GaussianMixture

from diffeo.bundle.schema.column_kind import ColumnKind
from diffeo.runtime.atom_widths import propose_widths
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


def gaussian_nll(rows: Rows, names: Sequence[str], kinds: Mapping[str, ColumnKind], seed: int = 0) -> float:
    """Loss of one full-covariance Gaussian of scikit-learn on the held-out rows of `diffeo fit`, nats per row.

    Columns are standardised, and the regularisation is the one with the lowest validation loss. Where the model has the
    mass of an atom, the Gaussian has its density times the width of the atom's interval.
    """
    split = split_rows(rows, seed)
    mean, scale = split.moments()
    train, validation, test = ((part - mean) / scale for part in (split.train, split.validation, split.test))
    fits = [GaussianMixture(1, reg_covar=value, random_state=0).fit(train) for value in REGULARISATIONS]
    best = max(fits, key=lambda fit: float(fit.score(validation)))
    return float(np.log(scale).sum() - best.score(test)) - _log_widths(split.train, split.test, names, kinds)


def _log_widths(train: Rows, test: Rows, names: Sequence[str], kinds: Mapping[str, ColumnKind]) -> float:
    """The mean over the test rows of the sum of log w, with the widths that continue the density beside the atoms."""
    total = 0.0
    for index, name in enumerate(names):
        atoms = [atom.value for atom in kinds[name].atoms] if name in kinds else []
        for atom, width in zip(atoms, propose_widths(train[:, index], atoms) if atoms else [], strict=True):
            total += float((test[:, index] == atom).mean() * np.log(width))
    return total
