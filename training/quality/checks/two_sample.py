"""A classifier two-sample test: can gradient-boosted trees tell samples from held-out rows?"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from diffeo.bundle.schema.quality import TwoSample

from ..rounding import rounded
from ..thinning import thinned

Array = npt.NDArray[np.float64]

MOST_ROWS: Final = 5_000
TREES: Final = 60
LEAVES: Final = 8


def compare_jointly(held_out: Array, samples: Array, seed: int = 0) -> TwoSample:
    """Train a classifier on half of the rows and measure its AUC on the other half; then the other way round.

    On rows that the classifier was not trained on, its scores of samples and of held-out rows have the same law if the
    rows have. So AUC is that of the test of Mann and Whitney with a known p-value. The smaller p-value of the two
    halves is doubled.

    Args:
        held_out: rows [m, D].
        samples: rows [k, D]; as many as held-out rows are used, at most 5,000 of each.
        seed: of the halves.

    Reference: Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, sec. 3, arXiv:1610.06545.
    """
    rows = min(len(held_out), len(samples), MOST_ROWS)
    x = np.concatenate([held_out[thinned(len(held_out), rows, seed)], samples[thinned(len(samples), rows, seed + 1)]])
    is_sample = np.arange(2 * rows) >= rows
    # `thinned` gives the rows in random order, so every second row is a random half with as many samples as data.
    half = np.arange(2 * rows) % 2 == 0
    aucs, p_values = zip(
        *(_auc(x[train], is_sample[train], x[~train], is_sample[~train], seed) for train in (half, ~half)), strict=True
    )
    return TwoSample(rows=rows, auc=rounded(float(np.mean(aucs))), p_value=rounded(min(1.0, 2 * min(p_values))))


def _auc(
    x: Array, is_sample: npt.NDArray[np.bool_], new_x: Array, new_is_sample: npt.NDArray[np.bool_], seed: int
) -> tuple[float, float]:
    """AUC on new rows of a classifier that was trained on x, and the p-value of AUC = 1/2 against a larger one."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415  (a slow import)

    if len(np.unique(is_sample)) == 1 or len(np.unique(new_is_sample)) == 1:
        return 0.5, 1.0
    classifier = HistGradientBoostingClassifier(
        max_iter=TREES, max_leaf_nodes=LEAVES, early_stopping=False, random_state=seed
    )
    scores = classifier.fit(x, is_sample).decision_function(new_x)
    if np.ptp(scores) == 0:
        return 0.5, 1.0
    test = stats.mannwhitneyu(scores[new_is_sample], scores[~new_is_sample], alternative="greater", method="asymptotic")
    pairs = int(new_is_sample.sum()) * int((~new_is_sample).sum())
    return float(test.statistic) / pairs, float(test.pvalue)
