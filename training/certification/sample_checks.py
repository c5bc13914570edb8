"""Checks of a certificate: the law of samples, two samples, the integral in many columns, rows beside strange rows."""

from typing import Final

import numpy as np
import torch

from diffeo.bundle.base import draw

from .jacobians import jacobians
from .measurement import Array, Measurement, relative
from .subject import SAMPLE_SEED, Subject

MOST: Final = 0.999
# z at this temperature covers the tails of the base, and its weights have a small variance up to some 40 columns.
TEMPERATURE: Final = 1.2
# An autograd Jacobian costs a backward pass for each column.
JACOBIAN_NUMBERS: Final = 200_000
LEAST_ROWS: Final = 512
MOST_ROWS: Final = 10_000
# Standard errors by which the mean weight of the base itself may differ from 1.
STANDARD_ERRORS: Final = 5.0
DIRECTIONS: Final = 16
# In place of other rows: numbers that no row of data holds.
STRANGE: Final = (np.nan, np.inf, 1e30, 0.0)


def sample_law(subject: Subject) -> Measurement:
    """log p of samples by the two graphs: forward at x, and base(z) + log|det dz/dx| of inverse, which drew x."""
    drawn = subject.inverse.run(subject.z)
    x = drawn["x"].astype(np.float64)
    errors = relative(subject.forward.run(x)["log_prob"], drawn["log_prob"].astype(np.float64))
    errors = np.nan_to_num(errors, nan=np.inf)
    value = float(np.quantile(errors, MOST, method="higher"))
    about = f"relative, {MOST:.1%} of the samples are below it"
    return Measurement("sample_law", value, len(x), about, tuple(x[int(errors.argmax())]))


def two_sample(subject: Subject) -> Measurement:
    """Samples of the inverse graph beside samples of the flow in torch, from another generator of random numbers.

    The value is sqrt(n / 2) times the largest distance of their distribution functions, over every column and over
    random directions. For equal distributions it is above 3 with a probability below 1e-7 for each of them.

    Reference: Smirnov (1948), Table for estimating the goodness of fit of empirical distributions,
    doi:10.1214/aoms/1177730256.
    """
    generator = torch.Generator().manual_seed(SAMPLE_SEED)
    z = subject.flow.base.sample(len(subject.z), subject.dimension, generator)
    theirs = subject.flow.inverse(z)[0].numpy() / subject.scale
    ours = subject.inverse.run(subject.z)["x"].astype(np.float64) / subject.scale
    directions = draw(SAMPLE_SEED + 2, 0, DIRECTIONS, subject.dimension).astype(np.float64)
    axes = np.concatenate([np.eye(subject.dimension), directions]).T
    distances = [_distance(mine, other) for mine, other in zip((ours @ axes).T, (theirs @ axes).T, strict=True)]
    value = float(np.sqrt(len(ours) / 2) * max(distances))
    row = tuple((ours * subject.scale)[0])
    return Measurement("two_sample", value, len(ours), "scaled Kolmogorov-Smirnov distance, graph and torch", row)


def _distance(ours: Array, theirs: Array) -> float:
    """The largest distance of the distribution functions of two samples; infinite if one is not finite."""
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return np.inf
    ours, theirs = np.sort(ours), np.sort(theirs)
    places = np.concatenate([ours, theirs])
    shares = [np.searchsorted(sample, places, side="right") / len(sample) for sample in (ours, theirs)]
    return float(np.abs(shares[0] - shares[1]).max())


def normalisation(subject: Subject) -> Measurement:
    """|1 - integral of exp(log_prob)| by importance sampling, for D of 3 and more.

    With z from the base at a higher temperature T and x = f^-1(z) of the graph, the integral is the mean of
    p(x) |det dx/dz| / b_T(z), with the Jacobian of the flow by autograd. The mean of b(z) / b_T(z) is 1 for every base
    that is normalised, so the difference of the two has a small standard error.

    Reference: Owen (2013), Monte Carlo theory, methods and examples, ch. 9 and 8.9 (control variates).
    """
    count = int(np.clip(JACOBIAN_NUMBERS / subject.dimension, LEAST_ROWS, MOST_ROWS))
    z = subject.base.draw(SAMPLE_SEED + 3, 0, count, TEMPERATURE).astype(np.float64)
    x = subject.inverse.run(z)["x"].astype(np.float64)
    ladj = np.linalg.slogdet(jacobians(lambda rows: subject.flow.inverse(rows)[0], z)).logabsdet
    proposal = subject.base.log_prob(z, TEMPERATURE)
    with np.errstate(over="ignore", invalid="ignore"):
        weights = np.exp(subject.forward.run(x)["log_prob"].astype(np.float64) + ladj - proposal)
        control = np.exp(subject.base.log_prob(z) - proposal)
        differences = weights - control
    mass, error = 1 + float(differences.mean()), float(differences.std() / np.sqrt(count))
    # The base is normalised too, up to the error of its own mean.
    excess = abs(float(control.mean()) - 1) - STANDARD_ERRORS * float(control.std() / np.sqrt(count))
    value = abs(mass - 1) + max(0.0, excess)
    about = f"|1 - {mass:.6g}|, importance sampling, standard error {error:.1g}"
    return Measurement("normalisation", value, count, about, tuple(x[int(np.abs(differences).argmax())]))


def row_isolation(subject: Subject) -> Measurement:
    """The answers of rows whose neighbours in the batch hold NaN, infinity and huge numbers, beside those without."""
    x = subject.x[-LEAST_ROWS * 2 :]
    strange = x.copy()
    for offset, number in enumerate(STRANGE):
        strange[1 + 2 * offset :: 2 * len(STRANGE)] = number
    clean, beside = subject.forward.run(x), subject.forward.run(strange)
    errors = np.zeros(len(x[::2]))
    for name, expected in clean.items():
        found = relative(beside[name][::2], expected[::2].astype(np.float64)).reshape(len(errors), -1)
        errors = np.maximum(errors, np.nan_to_num(found, nan=np.inf).max(axis=1))
    about = "bitwise" if errors.max() == 0 else "relative"
    return Measurement.of("row_isolation", errors, x[::2], f"{about}, beside NaN, infinity and 1e30")
