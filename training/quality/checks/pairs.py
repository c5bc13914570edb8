"""Compares the rank correlations of samples with those of held-out rows, pair by pair of columns."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from diffeo.bundle.quality import MAX_PAIRS_KEPT, PairQuality

from ..rounding import rounded
from .adjustment import holm

Array = npt.NDArray[np.float64]

# Pairs with the largest differences whose standard errors are computed.
MOST_TESTED: Final = 200


def compare_pairs(held_out: Array, samples: Array, names: Sequence[str]) -> tuple[PairQuality, ...]:
    """The pairs whose rank correlations differ most, the most significant first.

    Args:
        held_out: rows [m, D].
        samples: rows [k, D].
        names: of the columns.
    """
    ranks = [mid_ranks(held_out), mid_ranks(samples)]
    correlations = [_correlations(each) for each in ranks]
    first, second = np.triu_indices(len(names), k=1)
    differences = np.abs(correlations[0] - correlations[1])[first, second]
    tested = np.argsort(-differences, kind="stable")[:MOST_TESTED]
    if len(tested) == 0:
        return ()
    errors = np.array(
        [np.hypot(*(rank_correlation_error(u[:, first[pair]], u[:, second[pair]]) for u in ranks)) for pair in tested]
    )
    # With an error of 0 both correlations are exact, as for a column beside its double.
    errors = np.maximum(errors, np.finfo(np.float64).tiny)
    p_values = holm(2 * stats.norm.sf(differences[tested] / errors), tests=len(first))
    order = np.lexsort((-differences[tested], p_values))[:MAX_PAIRS_KEPT]
    return tuple(
        PairQuality(
            first=names[first[tested[index]]],
            second=names[second[tested[index]]],
            data=rounded(float(correlations[0][first[tested[index]], second[tested[index]]])),
            samples=rounded(float(correlations[1][first[tested[index]], second[tested[index]]])),
            p_value=rounded(float(p_values[index])),
        )
        for index in order
    )


def mid_ranks(rows: Array) -> Array:
    """Ranks of each column of [n, D], as shares in (0, 1); equal numbers share the mean of their ranks."""
    ranks: Array = (stats.rankdata(rows, axis=0) - 0.5) / len(rows)
    return ranks


def _correlations(ranks: Array) -> Array:
    """Spearman's correlations [D, D]: Pearson's of the ranks; 0 for a column of equal numbers."""
    centred = ranks - ranks.mean(axis=0)
    length = np.sqrt(np.square(centred).sum(axis=0))
    unit = centred / np.where(length > 0, length, 1.0)
    return np.clip(unit.T @ unit, -1.0, 1.0)


def rank_correlation_error(u: Array, v: Array) -> float:
    """The standard error of Spearman's correlation of two columns of ranks [n], whatever their dependence.

    The correlation is 12 E[F(x) G(y)] - 3 without ties. Its influence function has the product of the ranks, and what
    a row adds to the ranks of all other rows:

        psi_i = 12 (u_i v_i + mean over j of [u_j >= u_i] v_j + mean over j of [v_j >= v_i] u_j) + constant

    and error^2 = var(psi) / n. A formula for independent columns is too small for columns with a common scale.

    Reference: van der Vaart (1998), Asymptotic statistics, example 13.8 and sec. 20.1; Croux and Dehon (2010),
    Influence functions of the Spearman and Kendall correlation measures, doi:10.1007/s10260-010-0142-z.

    >>> generator = np.random.default_rng(0)
    >>> ranks = mid_ranks(generator.standard_normal((10_000, 2)))
    >>> round(rank_correlation_error(ranks[:, 0], ranks[:, 1]) * 100, 1)
    1.0
    """
    scale = 12 * np.sqrt(_variance_ratio(u) * _variance_ratio(v))
    influence = scale * (u * v + _mean_above(u, v) + _mean_above(v, u))
    return float(influence.std() / np.sqrt(len(u)))


def _variance_ratio(u: Array) -> float:
    # Ties make the variance of the ranks smaller than 1/12, and the correlation is divided by it.
    variance = float(u.var())
    return 1 / (12 * variance) if variance > 0 else 0.0


def _mean_above(key: Array, values: Array) -> Array:
    """For each i of [n]: the sum of the values of rows whose key is at least key_i, divided by n."""
    order = np.argsort(key, kind="stable")
    sums = np.append(np.cumsum(values[order][::-1])[::-1], 0.0) / len(key)
    sums_at_or_above: Array = sums[np.searchsorted(key[order], key, side="left")]
    return sums_at_or_above
