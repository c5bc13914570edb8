"""Models whose densities are known by hand, with rows, samples and z; and wrong samples of one of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]

COLUMNS: Final = ("height", "weight", "age")
# Covariance L L^T of the three columns.
FACTOR: Final = np.array([[2.0, 0.0, 0.0], [3.0, 1.0, 0.0], [0.0, 0.5, 1.0]])
MEAN: Final = np.array([10.0, -5.0, 0.0])


@dataclass(frozen=True, slots=True)
class KnownModel:
    """Rows [n, D] of a law, and samples, log densities and z of a model of it."""

    train: Array
    held_out: Array
    samples: Array
    log_prob: Array
    z: Array


def normal(seed: int, rows: int = 1000) -> KnownModel:
    """A model that is the law of its data: N(MEAN, FACTOR FACTOR^T), with z = FACTOR^-1 (x - MEAN)."""
    draws = np.random.default_rng(seed).standard_normal((4 * rows, 3))
    x = MEAN + draws @ FACTOR.T
    z = draws[rows : 2 * rows]
    log_prob = stats.norm.logpdf(z).sum(axis=1) - np.log(np.diag(FACTOR)).sum()
    return KnownModel(x[:rows], x[rows : 2 * rows], x[2 * rows :], log_prob, z)


def clusters(seed: int, rows: int = 1000) -> KnownModel:
    """Two clusters in three columns, a fifth of the rows in the second one."""
    generator = np.random.default_rng(seed)
    draws = generator.standard_normal((4 * rows, 3))
    x = draws + 12.0 * (generator.random((4 * rows, 1)) < 0.2)
    z = draws[rows : 2 * rows]
    return KnownModel(x[:rows], x[rows : 2 * rows], x[2 * rows :], stats.norm.logpdf(z).sum(axis=1), z)


def cube(seed: int, rows: int = 1000) -> KnownModel:
    """Three columns that are uniform in [0, 1]; z = ndtri(x)."""
    x = np.random.default_rng(seed).random((4 * rows, 3))
    held_out = x[rows : 2 * rows]
    return KnownModel(x[:rows], held_out, x[2 * rows :], np.zeros(rows), stats.norm.ppf(held_out))


def _shifted(model: KnownModel) -> KnownModel:
    return replace(model, samples=model.samples + np.array([0.0, 1.5, 0.0]))


def _independent(model: KnownModel) -> KnownModel:
    generator = np.random.default_rng(0)
    return replace(model, samples=np.column_stack([generator.permutation(column) for column in model.samples.T]))


def _heavy_tails(model: KnownModel) -> KnownModel:
    # Student's t with 2 degrees of freedom, with the quartiles of the data.
    scale = stats.norm.ppf(0.75) / stats.t.ppf(0.75, 2)
    draws = stats.t.rvs(2, size=len(model.samples), random_state=0)
    samples = model.samples.copy()
    samples[:, 2] = scale * np.hypot(0.5, 1.0) * draws
    return replace(model, samples=samples)


def _memorised(model: KnownModel) -> KnownModel:
    generator = np.random.default_rng(0)
    copies = model.train[generator.integers(len(model.train), size=len(model.samples))]
    return replace(model, samples=copies + 1e-3 * generator.standard_normal(copies.shape))


def _some_copies(model: KnownModel) -> KnownModel:
    samples = model.samples.copy()
    samples[::20] = model.train[: len(samples[::20])]
    return replace(model, samples=samples)


def _without_a_cluster(model: KnownModel) -> KnownModel:
    return replace(model, samples=model.samples[model.samples[:, 0] < 6.0])


def _a_bridge(model: KnownModel) -> KnownModel:
    samples = model.samples.copy()
    samples[::12] = 6.0 + 0.3 * np.random.default_rng(0).standard_normal(samples[::12].shape)
    return replace(model, samples=samples)


def _leaked(model: KnownModel) -> KnownModel:
    noise = 0.05 * np.random.default_rng(0).standard_normal(model.samples.shape)
    return replace(model, samples=model.samples + noise)


def _wide_latent(model: KnownModel) -> KnownModel:
    return replace(model, z=model.z * np.array([1.0, 1.3, 1.0]))


def _leaked_rows(model: KnownModel) -> KnownModel:
    held_out = model.held_out.copy()
    held_out[: len(held_out) // 10] = model.train[: len(held_out) // 10]
    return replace(model, held_out=held_out)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A law, what is wrong with the model, the check that must find it, and words that must name it."""

    law: Callable[[int], KnownModel]
    spoil: Callable[[KnownModel], KnownModel]
    kind: str
    words: tuple[str, ...]


MISMATCHES: Final = {
    "a shifted column": Mismatch(normal, _shifted, "columns", ("'weight'", "shifted up")),
    "independent columns": Mismatch(normal, _independent, "pairs", ("'height' and 'weight'", "samples")),
    "independent columns, seen jointly": Mismatch(normal, _independent, "two_sample", ("a classifier tells",)),
    "heavy tails": Mismatch(normal, _heavy_tails, "columns", ("'age'", "longer tails")),
    "memorised rows": Mismatch(normal, _memorised, "memorisation", ("closer to training rows",)),
    "a few copies": Mismatch(normal, _some_copies, "memorisation", ("closer to training rows",)),
    "a cluster without samples": Mismatch(clusters, _without_a_cluster, "coverage", ("lacks a part of the data",)),
    "samples between clusters": Mismatch(clusters, _a_bridge, "coverage", ("far from all training rows",)),
    "mass outside of the range": Mismatch(cube, _leaked, "range", ("'height'", "below", "above")),
    "a latent column that is too wide": Mismatch(normal, _wide_latent, "latent", ("z1",)),
    "held-out rows that were fitted": Mismatch(normal, _leaked_rows, "duplicates", ("10 % of the held-out rows",)),
}
