"""Chooses rows by seed: fewer rows of a large table, or rows that represent a weighted one."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def thinned(rows: int, limit: int, seed: int) -> Indices:
    """At most `limit` distinct indices below `rows`, in random order; the same ones for the same seed.

    >>> sorted(thinned(3, 10, seed=0).tolist())
    [0, 1, 2]
    """
    # The order of sorted raw words is the same in every version of numpy; Generator.permutation may change.
    return np.argsort(np.random.Philox(key=seed).random_raw(rows), kind="stable")[:limit]


def effective_rows(weights: Array | None, rows: int) -> float:
    """Number of rows without weights that estimate a mean equally well: (sum w)^2 / sum w^2.

    Reference: Kish (1965), Survey sampling, sec. 8.2.

    >>> effective_rows(np.array([1.0, 1.0, 0.0, 0.0]), 4)
    2.0
    """
    if weights is None:
        return float(rows)
    # Divided by the largest, so that no square overflows.
    unit = weights / weights.max()
    return float(unit.sum() ** 2 / np.square(unit).sum())


def accepted(weights: Array, seed: int) -> Indices:
    """Distinct indices that follow the weighted law: index i is kept with probability w_i / max w, in random order.

    The rows kept are independent and have the law of the weighted rows exactly, so tests for rows without weights
    keep their level. Rows that are resampled repeat, and such tests then fail too often.

    Reference: von Neumann (1951), Various techniques used in connection with random digits.

    >>> sorted(accepted(np.array([2.0, 0.0, 2.0]), seed=0).tolist())
    [0, 2]
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    kept = np.flatnonzero(generator.random(len(weights)) < weights / weights.max())
    return kept[thinned(len(kept), len(kept), seed + 1)]


def resampled(weights: Array, count: int, seed: int) -> Indices:
    """`count` indices, index i about count w_i / sum w times: systematic resampling, in random order.

    Reference: Kitagawa (1996), Monte Carlo filter and smoother, appendix, doi:10.2307/1390750.

    >>> np.bincount(resampled(np.array([3.0, 1.0, 0.0]), 4, seed=0), minlength=3)
    array([3, 1, 0])
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    # The order of the rows must not decide which neighbours are chosen together.
    order = thinned(len(weights), len(weights), seed + 1)
    ends = np.cumsum(weights[order] / weights.max())
    points = (np.arange(count) + generator.random()) / count
    chosen = np.searchsorted(ends / ends[-1], points, side="right")
    return order[chosen][thinned(count, count, seed + 2)]
