"""Compares distances to nearest rows: samples too close to training rows, far from all, and data without samples."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from diffeo.bundle.schema.quality import Neighbours

from ..baselines.scaling import Scaling
from ..rounding import rounded
from ..thinning import thinned
from .columns import more_often

Array = npt.NDArray[np.float64]

MOST_QUERIES: Final = 2_000
MOST_REFERENCES: Final = 50_000
# Rows beyond this quantile of the distances count as close or far.
EXTREME: Final = 0.01
# A distance is at most this many quartile ranges a column, so that one far cell does not overflow.
LARGEST: Final = 1e12


def compare_neighbours(train: Array, held_out: Array, samples: Array, seed: int = 0) -> Neighbours:
    """Three comparisons of distances, in columns scaled by the quartile ranges of the training rows.

    Close: a model that memorises puts samples closer to training rows than held-out rows are. The p-value is twice the
    smaller of two: Mann and Whitney's test for all samples, and Fisher's test for the closest percent, which finds a
    few copies among many good samples.

    Stray: samples far from every training row, between two clusters for example. Missed: held-out rows far from every
    sample, such as a cluster that the model lacks; other samples show how far is usual. Both are counted beyond the
    99 % quantile of the distances that are usual, and tested beyond that of all distances by Fisher's test.

    Args:
        train: rows [n, D]; at most 50,000 are searched.
        held_out: rows [m, D]; at most 2,000 are used.
        samples: rows [k, D]; as many as held-out rows search, the others are searched.
        seed: of the chosen rows.

    Reference: Meehan et al. (2020), A non-parametric test to detect data-copying in generative models, sec. 3,
    arXiv:2004.05675.
    """
    references = train[thinned(len(train), MOST_REFERENCES, seed)]
    scaling = Scaling.of(references)
    references, held_out, samples = (
        np.clip(scaling.forward(rows), -LARGEST, LARGEST) for rows in (references, held_out, samples)
    )
    # Half of the samples at most search, the others are searched.
    count = min(MOST_QUERIES, len(held_out), len(samples) // 2)
    queries = held_out[thinned(len(held_out), count, seed + 1)]
    order = thinned(len(samples), len(samples), seed + 2)
    drawn, others = samples[order[:count]], samples[order[count:]][:MOST_REFERENCES]
    data_distances, sample_distances = distances(references, queries), distances(references, drawn)
    to_samples, among_samples = distances(others, queries), distances(others, drawn)
    close, close_p_value = _closer(sample_distances, data_distances)
    stray, stray_p_value = _farther(sample_distances, data_distances)
    missed, missed_p_value = _farther(to_samples, among_samples)
    return Neighbours(
        queries=count,
        references=len(references),
        median_ratio=rounded(_ratio(float(np.median(sample_distances)), float(np.median(data_distances)))),
        close=close,
        close_p_value=close_p_value,
        stray=stray,
        stray_p_value=stray_p_value,
        missed=missed,
        missed_p_value=missed_p_value,
    )


def distances(references: Array, queries: Array) -> Array:
    """The distance of each query [q, D] to the nearest reference [r, D].

    >>> distances(np.array([[0.0], [10.0]]), np.array([[1.0], [10.0]]))
    array([1., 0.])
    """
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415  (a slow import)

    nearest = NearestNeighbors(n_neighbors=1).fit(references).kneighbors(queries, return_distance=False)[:, 0]
    # In many columns the search subtracts large squares; the distance of a copy is exactly 0 only when computed again.
    found: Array = np.sqrt(np.square(queries - references[nearest]).sum(axis=1))
    return found


def _closer(mine: Array, theirs: Array) -> tuple[float, float]:
    """Share of distances below the 1 % quantile of the others, and the p-value of the test that mine are smaller."""
    share = float((mine < np.quantile(theirs, EXTREME)).mean())
    both = np.concatenate([mine, theirs])
    if np.ptp(both) == 0:
        return rounded(share), 1.0
    whole = float(stats.mannwhitneyu(mine, theirs, alternative="less", method="asymptotic").pvalue)
    threshold = np.quantile(both, EXTREME)
    extreme = more_often(int((mine <= threshold).sum()), len(mine), int((theirs <= threshold).sum()), len(theirs))
    return rounded(share), rounded(min(1.0, 2 * min(whole, extreme)))


def _farther(mine: Array, theirs: Array) -> tuple[float, float]:
    """Share of distances above the 99 % quantile of the others, and the p-value of the test that mine are larger."""
    share = float((mine > np.quantile(theirs, 1 - EXTREME)).mean())
    threshold = np.quantile(np.concatenate([mine, theirs]), 1 - EXTREME)
    count, other_count = int((mine > threshold).sum()), int((theirs > threshold).sum())
    return rounded(share), rounded(more_often(count, len(mine), other_count, len(theirs)))


def _ratio(mine: float, theirs: float) -> float:
    # Both medians are 0 in a table of few values, where every row has a double.
    if theirs == 0:
        return 1.0 if mine == 0 else LARGEST
    return mine / theirs
