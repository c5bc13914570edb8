"""The certificate measures the graphs against the flow in float64; out of tolerance means nothing is published.

It proves that forward.onnx and inverse.onnx implement one normalised, invertible density with the stated numbers. It
does not claim that this density fits the data: that is the test loss, in the provenance.

Reference: Behrmann et al. (2021), Understanding and mitigating exploding inverses in invertible neural networks,
arXiv:2006.09347: a round trip has to be measured, because no bound per layer implies it.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diffeo.bundle import base
from diffeo.bundle.golden import Golden
from diffeo.bundle.manifest import MAIN_FILES, PLANE, Certificate, CheckName, Dtype, FileName, Trio

from ..flows.flow import Flow, standard_normal_log_prob
from ..graph_session import Graph
from .integral import integrate
from .measurement import Figure, issue, relative, worst

Array = npt.NDArray[np.float64]

# Each tolerance with its reason. Float32 carries 24 bits; a flow of some ten couplings spends a few of them.
TOLERANCES: Final[Mapping[CheckName, float]] = {
    "parity": 1e-4,  # of the worst row
    "round_trip": 1e-3,  # in standard deviations of the data
    "log_abs_det_jacobian": 1e-3,  # nats
    "batch_invariance": 1e-6,  # a row's answer is its own, whatever it is computed beside
    "non_finite_within_20_sigma": 0.0,
    "normalisation": 1e-3,  # the mass a grid sees
}

SAMPLE_SEED: Final = 20_170_227
SAMPLE_ROWS: Final = 10_000
JACOBIAN_ROWS: Final = 256
GOLDEN_ROWS: Final = 32
RIM_ROWS: Final = 20_000
# Mass of a standard normal outside radius 6 in the plane: 1.5e-8, far below the tolerance of the integral.
BASE_RADIUS: Final = 6.0
FAR_SIGMA: Final = 20.0
BATCHES: Final = (1, 2, 7, 1000)


class Subject:
    """The pair of graphs under test, the flow they claim to be, and the rows to judge them on.

    Args:
        flow: the flow that was exported, in the types of its weights.
        files: the files of a bundle; the two graphs are among them.
        rows: data [rows, D] in the user's units.
        precision: what the graphs compute in.
        trio: which of the files the graphs are.
    """

    def __init__(
        self,
        flow: Flow,
        files: Mapping[FileName, bytes],
        rows: Array,
        precision: Dtype = "float32",
        trio: Trio = MAIN_FILES,
    ) -> None:
        self.files = files
        self.precision = precision
        self.flow = copy.deepcopy(flow).cpu().double().requires_grad_(requires_grad=False)
        self.forward = Graph(files[trio.forward])
        self.inverse = Graph(files[trio.inverse])
        self.dimension = rows.shape[1]
        self.z = base.draw(SAMPLE_SEED, 0, SAMPLE_ROWS, self.dimension).astype(np.float64)
        samples = self.inverse.run(self.z)["x"].astype(np.float64)
        self.data = rows
        self.x = np.concatenate([rows, samples])
        # A mutated graph may send samples anywhere; the scale must come from what is known to be data.
        self.scale = np.maximum(rows.std(axis=0), np.finfo(np.float32).tiny)

    def answers(self, x: Array) -> tuple[Array, Array, Array]:
        """The flow in float64: z, log|det dz/dx|, log p(x)."""
        z, ladj = self.flow.forward(torch.from_numpy(x))
        return z.numpy(), ladj.numpy(), (standard_normal_log_prob(z) + ladj).numpy()


def certify(subject: Subject) -> Certificate:
    """Measure every check.

    Raises:
        CertificateError: a figure is out of tolerance; the message names the figures and the worst rows.
    """
    checks = [parity, round_trip, jacobian, batch_invariance, finiteness]
    if subject.dimension == PLANE:
        checks.append(normalisation)
    return issue([check(subject) for check in checks], TOLERANCES)


def parity(subject: Subject) -> Figure:
    """Both graphs in ONNX Runtime against the flow: z, x, log|det|, log p."""
    z, ladj, log_prob = subject.answers(subject.x)
    got = subject.forward.run(subject.x)
    forward = worst(
        relative(got["z"], z), relative(got["log_abs_det_jacobian"], ladj), relative(got["log_prob"], log_prob)
    )
    back, ladj_back = (tensor.numpy() for tensor in subject.flow.inverse(torch.from_numpy(subject.z)))
    got = subject.inverse.run(subject.z)
    base_log_prob = base.log_prob(subject.z)
    inverse = worst(
        np.abs(got["x"] - back) / subject.scale,
        relative(got["log_abs_det_jacobian"], ladj_back),
        relative(got["log_prob"], base_log_prob - ladj_back),
    )
    errors = np.concatenate([forward, inverse])
    return Figure.of("parity", errors, np.concatenate([subject.x, subject.z]), "relative, on data and samples")


def round_trip(subject: Subject) -> Figure:
    """x -> z -> x and z -> x -> z through the two graphs."""
    about = "x in standard deviations of the data, z relative"
    return Figure.of("round_trip", round_trip_errors(subject), np.concatenate([subject.x, subject.z]), about)


def round_trip_errors(subject: Subject) -> Array:
    """Of each x, in standard deviations of the data, then of each z, relative."""
    z = subject.forward.run(subject.x)["z"]
    x = subject.inverse.run(z)["x"]
    there = worst(np.abs(x - subject.x) / subject.scale)
    z_back = subject.forward.run(subject.inverse.run(subject.z)["x"])["z"]
    return np.concatenate([there, worst(relative(z_back, subject.z))])


def jacobian(subject: Subject) -> Figure:
    """log_abs_det_jacobian of both graphs against log|det| of the autograd Jacobian of the flow in float64."""
    half = JACOBIAN_ROWS // 2
    x = np.concatenate([subject.data[:half], subject.x[-half:]])
    forward = np.abs(
        subject.forward.run(x)["log_abs_det_jacobian"] - _autograd(lambda row: subject.flow.forward(row)[0], x)
    )
    z = subject.z[:JACOBIAN_ROWS]
    inverse = np.abs(
        subject.inverse.run(z)["log_abs_det_jacobian"] - _autograd(lambda row: subject.flow.inverse(row)[0], z)
    )
    errors = worst(np.concatenate([forward, inverse]))
    return Figure.of("log_abs_det_jacobian", errors, np.concatenate([x, z]), "nats, against autograd")


def batch_invariance(subject: Subject) -> Figure:
    """The same rows computed in batches of 1, 2, 7 and 1000."""
    x = subject.x[-max(BATCHES) :]
    whole = subject.forward.run(x)
    errors = np.zeros(len(x))
    for size in BATCHES:
        parts = subject.forward.run(x, block=size)
        for name, expected in whole.items():
            errors = np.maximum(errors, worst(relative(parts[name], expected.astype(np.float64))))
    about = "bitwise" if errors.max() == 0 else "relative"
    return Figure.of("batch_invariance", errors, x, f"{about}, batches {', '.join(map(str, BATCHES))}")


def finiteness(subject: Subject) -> Figure:
    """Rows with an answer that is not finite, on spheres of radius up to 20 sigma around the data and the base."""
    directions = base.draw(SAMPLE_SEED + 1, 0, SAMPLE_ROWS, subject.dimension).astype(np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    z = directions * np.linspace(0, FAR_SIGMA, SAMPLE_ROWS)[:, None]
    x = subject.data.mean(axis=0) + z * subject.scale
    answers = [subject.forward.run(x), subject.inverse.run(z)]
    bad = np.zeros(SAMPLE_ROWS)
    for tensor in (tensor for answer in answers for tensor in answer.values()):
        bad = np.maximum(bad, ~np.isfinite(tensor.reshape(SAMPLE_ROWS, -1)).all(axis=1))
    row = tuple(x[int(bad.argmax())])
    return Figure("non_finite_within_20_sigma", float(bad.sum()), SAMPLE_ROWS, "rows", row)


def normalisation(subject: Subject) -> Figure:
    """|1 - integral of exp(log_prob)| over a box that holds the image of the disc |z| <= 6."""
    angle = np.linspace(0, 2 * np.pi, RIM_ROWS)
    rim = BASE_RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    edge = subject.flow.inverse(torch.from_numpy(rim))[0].numpy()
    # Samples of the flow itself: those of a mutated graph may lie anywhere.
    known = np.concatenate([subject.flow.inverse(torch.from_numpy(subject.z))[0].numpy(), subject.data])
    corners = np.concatenate([edge, known])
    low, high = corners.min(axis=0), corners.max(axis=0)

    def density(rows: Array) -> Array:
        return np.exp(subject.forward.run(rows)["log_prob"].astype(np.float64))

    mass, points = integrate(density, low - 0.01 * (high - low), high + 0.01 * (high - low), known)
    about = f"|1 - {mass:.6g}|, by cells that split"
    return Figure("normalisation", abs(1 - mass), points, about, tuple(subject.data.mean(axis=0)))


def golden(subject: Subject) -> Golden:
    """Golden vectors from the flow in float64, at rows that the wire type of x holds exactly."""
    x = subject.data[:GOLDEN_ROWS]
    z, ladj, log_prob = subject.answers(x)
    return Golden(x, z, ladj, log_prob)


def _autograd(function: Callable[[Tensor], Tensor], rows: Array) -> Array:
    def row_to_row(row: Tensor) -> Tensor:
        return function(row[None])[0]

    jacobians = torch.func.vmap(torch.func.jacrev(row_to_row))(torch.from_numpy(rows))  # [B, D, D]
    result: Array = torch.linalg.slogdet(jacobians).logabsdet.numpy()
    return result
