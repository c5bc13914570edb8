"""Measures how well a model matches its data, from plain arrays: rows, samples, log densities and z."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle.schema.quality import Quality

from .baselines.baselines import BaselineLogProb
from .checks.columns import compare_columns, outside_of
from .checks.duplicates import count_duplicates
from .checks.latent import compare_latent
from .checks.neighbours import compare_neighbours
from .checks.pairs import compare_pairs
from .checks.two_sample import compare_jointly
from .nats import baseline_scores, model_score
from .rounding import rounded
from .thinning import accepted, thinned
from .verdict import findings

Array = npt.NDArray[np.float64]

# Most numbers of one table that a check of columns compares, and most rows: a column needs no more to show a
# difference of one percent.
MOST_ROWS: Final = 20_000
MOST_NUMBERS: Final = 1_000_000
LEAST_ROWS: Final = 2_000


def measure(  # noqa: PLR0913, PLR0917  (the arrays of a model and its data)
    train: Array,
    held_out: Array,
    samples: Array,
    log_prob_held_out: Array,
    z_held_out: Array,
    columns: Sequence[str],
    *,
    weights: Array | None = None,
    is_discrete: Sequence[bool] | None = None,
    baselines: Sequence[BaselineLogProb] = (),
    seed: int = 0,
) -> Quality:
    """Compare a model with its data, in about ten seconds at most.

    Each check of columns and pairs compares at most 20,000 rows of each kind, chosen by the seed; losses use all.

    >>> generator = np.random.default_rng(0)
    >>> rows = generator.standard_normal((3000, 1))
    >>> log_prob = -0.5 * rows[:, 0] ** 2 - 0.5 * np.log(2 * np.pi)
    >>> quality = measure(rows[:1000], rows[1000:2000], rows[2000:], log_prob[1000:2000], rows[1000:2000], ["a"])
    >>> all(finding.matched for finding in quality.findings)
    True

    Args:
        train: rows of the fit [n, D], in the user's units, finite.
        held_out: rows [m, D] that neither the fit nor the choice of its weights used.
        samples: rows [k, D] drawn from the model; twice as many as held-out rows or more.
        log_prob_held_out: log density or log mass of each held-out row under the model [m], nats.
        z_held_out: latent rows of the held-out rows [m, D], as standard normals (`diffeo.bundle.base.Base`).
        columns: names of the D columns.
        weights: importance weights of the held-out rows [m]; the checks then compare samples with a part of the
            held-out rows that follows the weighted law.
        is_discrete: columns of values that repeat; by default those with at most 50 distinct held-out values.
        baselines: log densities of the held-out rows under the baselines.
        seed: of every random choice.
    """
    limit = int(min(MOST_ROWS, max(LEAST_ROWS, MOST_NUMBERS // len(columns))))
    chosen = thinned(len(held_out), len(held_out), seed) if weights is None else accepted(weights, seed)
    compared, drawn = held_out[chosen[:limit]], samples[thinned(len(samples), limit, seed + 1)]
    low, high = train.min(axis=0), train.max(axis=0)
    quality = Quality(
        held_out_rows=len(held_out),
        representative_rows=len(chosen),
        sample_rows=len(samples),
        train_rows=len(train),
        compared_rows=limit,
        seed=seed,
        dimension=len(columns),
        pairs_compared=len(columns) * (len(columns) - 1) // 2,
        model=model_score(log_prob_held_out, weights),
        baselines=baseline_scores(log_prob_held_out, baselines, weights),
        columns=compare_columns(train, compared, drawn, columns, is_discrete),
        pairs=compare_pairs(compared, drawn, columns),
        latent=compare_latent(z_held_out[chosen[:limit]]),
        outside=rounded(float(outside_of(samples, low, high).any(axis=1).mean())),
        two_sample=compare_jointly(held_out[chosen], samples, seed),
        neighbours=compare_neighbours(train, held_out[chosen], samples, seed),
        duplicates=count_duplicates(train, held_out, samples, seed),
    )
    return quality.model_copy(update={"findings": findings(quality)})
