"""Adjusts the p-values of several tests by Holm's procedure."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def holm(p_values: Array, tests: int | None = None) -> Array:
    """p-values [k] adjusted for `tests` tests; the smallest of true hypotheses is below a with probability a at most.

        adjusted_(i) = max over j <= i of min(1, (tests - j + 1) p_(j)),    p_(1) <= p_(2) <= ...

    It holds however the tests depend on each other; columns of one table do.

    Args:
        p_values: the smallest of all p-values, in any order.
        tests: number of tests, where only the smallest p-values are given.

    Reference: Holm (1979), A simple sequentially rejective multiple test procedure, doi:10.2307/4615733.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3)
    array([0.03, 0.06, 0.06])
    """
    order = np.argsort(p_values, kind="stable")
    factors = (len(p_values) if tests is None else tests) - np.arange(len(p_values))
    ascending = np.maximum.accumulate(np.minimum(1.0, factors * p_values[order]))
    adjusted = np.empty(len(p_values))
    adjusted[order] = ascending
    return adjusted
