"""Tests whether z of held-out rows is standard normal in each column."""

import numpy as np
import numpy.typing as npt
from scipy import stats

from diffeo.bundle.schema.quality import MAX_COLUMNS_KEPT, LatentQuality

from ..rounding import rounded
from .adjustment import holm

Array = npt.NDArray[np.float64]


def compare_latent(z: Array) -> tuple[LatentQuality, ...]:
    """The test of Kolmogorov and Smirnov of each column of z [n, D] against N(0, 1), in the order of the columns.

    The probability integral transform Phi(z) is uniform exactly if z is standard normal, and the statistic is the
    same: sup |F_n(z) - Phi(z)|. Of more than 256 columns the ones with the smallest p-values are kept.

    Args:
        z: latent rows of held-out rows that the fit did not use. Where the flow was fitted to whole numbers with
            noise, z is that of held-out rows with noise; without it z takes only a few values.

    Reference: Rosenblatt (1952), Remarks on a multivariate transformation, doi:10.1214/aoms/1177729394.

    >>> compare_latent(stats.norm.ppf((np.arange(100) + 0.5) / 100)[:, None])[0].statistic
    0.005
    """
    results = [stats.kstest(column, "norm") for column in z.T]
    adjusted = holm(np.array([result.pvalue for result in results]))
    kept = sorted(np.argsort(adjusted, kind="stable")[:MAX_COLUMNS_KEPT].tolist())
    return tuple(
        LatentQuality(
            index=index,
            statistic=rounded(float(results[index].statistic)),
            p_value=rounded(float(adjusted[index])),
        )
        for index in kept
    )
