"""Compares the rank correlations of samples with those of held-out rows, pair by pair of columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from scipy import stats

from diffeo.bundle.schema.quality import MAX_PAIRS_KEPT, PairQuality

from ..rounding import rounded
from .adjustment import holm

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# Pairs with the largest differences whose standard errors are computed.
MOST_TESTED: Final = 64
# Fisher's transformation of a correlation of 1 is infinite.
LARGEST_CORRELATION: Final = 1 - 1e-9
# The correlation of a column with its double has no error but that of float64.
SMALLEST_ERROR: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Ranks:
    """Rows by rank.

    Attributes:
        shares: ranks of each column as shares in (0, 1), [n, D]; equal numbers share the mean of their ranks.
        order: indices that sort each column [n, D].
        first: position in this order of the first number that equals the one of a row [n, D].
    """

    shares: Array
    order: Indices
    first: Indices

    @classmethod
    def of(cls, rows: Array) -> Self:
        """The ranks of rows [n, D]."""
        order = np.argsort(rows, axis=0, kind="stable")
        first = stats.rankdata(rows, method="min", axis=0).astype(np.intp) - 1
        return cls((stats.rankdata(rows, axis=0) - 0.5) / len(rows), order, first)

    def sum_above(self, key: int, summed: int) -> Array:
        """For each row: the sum of the shares in column `summed` of rows whose number in column `key` is no smaller."""
        sums: Array = np.cumsum(self.shares[self.order[:, key], summed][::-1])[::-1]
        return sums[self.first[:, key]]


def compare_pairs(held_out: Array, samples: Array, names: Sequence[str]) -> tuple[PairQuality, ...]:
    """The pairs whose rank correlations differ most, the most significant first.

    Of many pairs the 64 with the largest differences after Fisher's transformation are tested; the p-values are
    adjusted for all pairs.

    Args:
        held_out: rows [m, D].
        samples: rows [k, D].
        names: of the columns.
    """
    ranks = [Ranks.of(held_out), Ranks.of(samples)]
    correlations = [_correlations(each.shares) for each in ranks]
    first, second = np.triu_indices(len(names), k=1)
    data, drawn = (each[first, second] for each in correlations)
    transformed = [np.arctanh(LARGEST_CORRELATION * each) for each in (data, drawn)]
    tested = np.argsort(-np.abs(transformed[0] - transformed[1]), kind="stable")[:MOST_TESTED]
    if len(tested) == 0:
        return ()
    squares = [[rank_correlation_error(each, first[pair], second[pair]) ** 2 for each in ranks] for pair in tested]
    errors = np.sqrt(np.sum(squares, axis=1))
    quotients = np.abs(data - drawn)[tested] / np.maximum(errors, SMALLEST_ERROR)
    # The errors are estimated from the rows: of few rows the quotient has the longer tails of Student's t.
    freedom = max(1, min(len(held_out), len(samples)) - 2)
    p_values = holm(2 * stats.t.sf(quotients, freedom), tests=len(first))
    kept = np.lexsort((-quotients, p_values))[:MAX_PAIRS_KEPT]
    return tuple(
        PairQuality(
            first=names[first[pair]],
            second=names[second[pair]],
            data=rounded(float(data[pair])),
            samples=rounded(float(drawn[pair])),
            p_value=rounded(float(p_value)),
        )
        for pair, p_value in zip(tested[kept], p_values[kept], strict=True)
    )


def _correlations(shares: Array) -> Array:
    """Spearman's correlations [D, D]: Pearson's of the ranks; 0 for a column of equal numbers."""
    centred = shares - shares.mean(axis=0)
    length = np.sqrt(np.square(centred).sum(axis=0))
    unit = centred / np.where(length > 0, length, 1.0)
    correlations: Array = np.clip(unit.T @ unit, -1.0, 1.0)
    return correlations


def rank_correlation_error(ranks: Ranks, first: int, second: int) -> float:
    """The standard error of Spearman's correlation of two columns, whatever their dependence.

    The correlation is 12 E[F(x) G(y)] - 3 without ties. Its influence function has the product of the ranks u and v,
    and the part that a row adds to the ranks of all other rows:

        psi_i = 12 (u_i v_i + mean over j of [u_j >= u_i] v_j + mean over j of [v_j >= v_i] u_j) + constant

    and error^2 = var(psi) / n. A formula for independent columns is too small for columns with a common scale.

    Reference: Croux and Dehon (2010), Influence functions of the Spearman and Kendall correlation measures,
    doi:10.1007/s10260-010-0142-z.

    >>> rows = np.random.default_rng(0).standard_normal((10_000, 2))
    >>> round(100 * rank_correlation_error(Ranks.of(rows), 0, 1), 1)
    1.0
    """
    u, v = ranks.shares[:, first], ranks.shares[:, second]
    spreads = u.std() * v.std()
    if spreads == 0:
        return 0.0
    above = ranks.sum_above(first, second) + ranks.sum_above(second, first)
    # Divided by the spreads of the ranks: 1 / 12 without ties, and smaller with ties.
    influence = (u * v + above / len(u)) / spreads
    return float(influence.std() / np.sqrt(len(u)))
