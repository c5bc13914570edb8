"""The checks of a certificate: each function measures one property of the two graphs against the flow in float64.

Reference: Behrmann et al. (2021), Understanding and mitigating exploding inverses in invertible neural networks,
arXiv:2006.09347: a round trip has to be measured, because no bound per layer implies it.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from diffeo.bundle.base import draw

from .integral import integrate
from .jacobians import jacobians
from .measurement import Array, Measurement, relative, worst
from .subject import SAMPLE_SEED, Subject

JACOBIAN_ROWS: Final = 256
FAR_ROWS: Final = 10_000
FAR_SIGMA: Final = 20.0
BATCHES: Final = (1, 2, 7, 1000)
RIM_ROWS: Final = 20_000
# Mass of a standard normal outside radius 6: 1.5e-8 in the plane, less on the line, far below the integral's tolerance.
BASE_RADIUS: Final = 6.0


def parity(subject: Subject, errors: Array | None = None) -> Measurement:
    """Both graphs in ONNX Runtime against the flow: z, x, log|det|, log p.

    Args:
        subject: the graphs and the flow.
        errors: `parity_errors`, if they are known already.
    """
    found = parity_errors(subject) if errors is None else errors
    return Measurement.of("parity", found, np.concatenate([subject.x, subject.z]), "relative, on data and samples")


def parity_errors(subject: Subject) -> Array:
    """The largest relative error of each x by the forward graph, then of each z by the inverse graph."""
    z, ladj, log_prob = subject.answers(subject.x)
    got = subject.forward.run(subject.x)
    forward = worst(
        relative(got["z"], z), relative(got["log_abs_det_jacobian"], ladj), relative(got["log_prob"], log_prob)
    )
    x, inverse_ladj = (tensor.numpy() for tensor in subject.flow.inverse(torch.from_numpy(subject.z)))
    got = subject.inverse.run(subject.z)
    base_log_prob = subject.base.log_prob(subject.z)
    inverse = worst(
        np.abs(got["x"] - x) / subject.scale,
        relative(got["log_abs_det_jacobian"], inverse_ladj),
        relative(got["log_prob"], base_log_prob - inverse_ladj),
    )
    return np.concatenate([forward, inverse])


def round_trip(subject: Subject) -> Measurement:
    """x -> z -> x and z -> x -> z through the two graphs."""
    about = "x in standard deviations of the data, z relative"
    return Measurement.of("round_trip", round_trip_errors(subject), np.concatenate([subject.x, subject.z]), about)


def round_trip_errors(subject: Subject) -> Array:
    """The errors of each x, in standard deviations of the data, then of each z, relative."""
    z = subject.forward.run(subject.x)["z"]
    x = subject.inverse.run(z)["x"]
    x_errors = worst(np.abs(x - subject.x) / subject.scale)
    again = subject.forward.run(subject.inverse.run(subject.z)["x"])["z"]
    return np.concatenate([x_errors, worst(relative(again, subject.z))])


def jacobian(subject: Subject) -> Measurement:
    """log_abs_det_jacobian of both graphs against log|det| of the autograd Jacobian of the flow in float64."""
    half = JACOBIAN_ROWS // 2
    x = np.concatenate([subject.data[:half], subject.x[-half:]])
    forward = np.abs(
        subject.forward.run(x)["log_abs_det_jacobian"] - _autograd(lambda rows: subject.flow.forward(rows)[0], x)
    )
    z = subject.z[:JACOBIAN_ROWS]
    inverse = np.abs(
        subject.inverse.run(z)["log_abs_det_jacobian"] - _autograd(lambda rows: subject.flow.inverse(rows)[0], z)
    )
    errors = worst(np.concatenate([forward, inverse]))
    return Measurement.of("log_abs_det_jacobian", errors, np.concatenate([x, z]), "nats, against autograd")


def batch_invariance(subject: Subject) -> Measurement:
    """The same rows computed in batches of 1, 2, 7 and 1000."""
    x = subject.x[-max(BATCHES) :]
    whole = subject.forward.run(x)
    errors = np.zeros(len(x))
    for size in BATCHES:
        batched = subject.forward.run(x, block=size)
        for name, expected in whole.items():
            errors = np.maximum(errors, worst(relative(batched[name], expected.astype(np.float64))))
    about = "bitwise" if errors.max() == 0 else "relative"
    return Measurement.of("batch_invariance", errors, x, f"{about}, batches {', '.join(map(str, BATCHES))}")


def finiteness(subject: Subject) -> Measurement:
    """The number of rows without a finite answer, on spheres of radius up to 20 sigma around the data and the base."""
    directions = draw(SAMPLE_SEED + 1, 0, FAR_ROWS, subject.dimension).astype(np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    z = directions * np.linspace(0, FAR_SIGMA, FAR_ROWS)[:, None]
    x = subject.data.mean(axis=0) + z * subject.scale
    answers = [subject.forward.run(x), subject.inverse.run(z)]
    not_finite = np.zeros(FAR_ROWS)
    for tensor in (tensor for answer in answers for tensor in answer.values()):
        not_finite = np.maximum(not_finite, ~np.isfinite(tensor.reshape(FAR_ROWS, -1)).all(axis=1))
    row = tuple(x[int(not_finite.argmax())])
    return Measurement("non_finite_within_20_sigma", float(not_finite.sum()), FAR_ROWS, "rows", row)


def normalisation(subject: Subject) -> Measurement:
    """|1 - integral of exp(log_prob)| over a box that holds 6 standard deviations of the base; for D of 1 and 2."""
    rim = subject.base.surface(_unit_rows(subject.dimension), BASE_RADIUS)
    edge = subject.flow.inverse(torch.from_numpy(rim))[0].numpy()
    # Samples of the flow, not of the graph: those of a broken graph may lie anywhere.
    known = np.concatenate([subject.flow.inverse(torch.from_numpy(subject.z))[0].numpy(), subject.data])
    corners = np.concatenate([edge, known])
    low, high = corners.min(axis=0), corners.max(axis=0)

    def density(rows: Array) -> Array:
        return np.exp(subject.forward.run(rows)["log_prob"].astype(np.float64))

    # The density of a broken graph may be infinite; then the mass is too.
    with np.errstate(over="ignore", invalid="ignore"):
        mass, points = integrate(density, low - 0.01 * (high - low), high + 0.01 * (high - low), known)
    about = f"|1 - {mass:.6g}|, by cells that split"
    return Measurement("normalisation", abs(1 - mass), points, about, tuple(subject.data.mean(axis=0)))


def _unit_rows(dimension: int) -> Array:
    """Rows of length 1 that enclose the origin: both directions of a line, or a circle."""
    if dimension == 1:
        return np.array([[-1.0], [1.0]])
    angle = np.linspace(0, 2 * np.pi, RIM_ROWS)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _autograd(function: Callable[[Tensor], Tensor], rows: Array) -> Array:
    """log|det| of the Jacobian of each row [B, D]."""
    result: Array = np.linalg.slogdet(jacobians(function, rows)).logabsdet
    return result
