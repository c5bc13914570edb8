"""A variant is the flow in lower precision: a density of its own, certified as one, and measured against the flow's.

Law: forward and inverse share every rounded conditioner, and a conditioner only sees the half that its coupling
copies. So in exact arithmetic the pair inverts, log|det| is the sum of the s that were used, and the density integrates
to 1, however much is rounded.

In float32 the inverse meets that half to the last digit but one. Where this carries an activation over the edge of a
rounding step, s and t move by what a step is worth: `round_trip` and `log_abs_det_jacobian` state the worst of it, and
`round_trip_p90` that it is rare.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from diffeo.bundle import base
from diffeo.bundle.golden import ROUNDED_TOLERANCE
from diffeo.bundle.manifest import PLANE, VARIANT_FILES, Certificate, CheckName, Dtype, FileName, Trio

from .. import export
from ..certification import certify
from ..certification.certify import Array, Subject
from ..certification.measurement import Figure, issue, worst
from ..errors import CertificateError, NothingToRound
from ..flows.flow import Flow
from .quantise import in_int8

INT8: Final[Trio] = VARIANT_FILES["int8"]
TOLERANCES: Final[Mapping[CheckName, float]] = {
    **certify.TOLERANCES,
    "round_trip": 5e-2,  # in standard deviations of the data, on the worst row at the edge of a step
    "round_trip_p90": 1e-4,  # rows at no edge: what float32 leaves
    "log_abs_det_jacobian": 5e-2,  # nats, on such a row
    "delta_log_prob_mean": 1e-2,  # nats; a mean loss is quoted to two digits
    "delta_log_prob_p999": 2e-1,  # nats; one row in a thousand is off by a fifth
    "delta_log_prob_max": 1.0,  # nats; the worst row's density keeps its order of magnitude
}
RARE: Final = 0.999
MANY: Final = 0.9


def int8_files(flow: Flow, dtype: Dtype, precision: Dtype, rows: Array) -> dict[FileName, bytes]:
    """The graphs in int8 and their golden vectors.

    Args:
        flow: the flow, in the types that it was trained in.
        dtype: type of x on the wire.
        precision: type that the main graphs compute in.
        rows: data [rows, D], as the wire type of x holds them.

    Raises:
        NothingToRound: integers would not make this flow faster, or it needs float64.
        GoldenDisagrees: ONNX Runtime computes something else than the rounded flow in float64.
    """
    if precision == "float64":
        raise NothingToRound(
            "int8 computes all but its hidden products in float32, and this flow's graphs compute in float64 because "
            "float32 was out of tolerance; serve those"
        )
    dimension = rows.shape[1]
    rounded = in_int8(flow, dimension)
    forward, inverse = export.to_onnx(rounded, dimension, dtype)
    files: dict[FileName, bytes] = {INT8.forward: forward, INT8.inverse: inverse}
    subject = Subject(rounded, files, rows, trio=INT8)
    vectors = replace(certify.golden(subject), files=INT8, tolerance=ROUNDED_TOLERANCE)
    vectors.check_forward(subject.forward.run(vectors.x))
    vectors.check_inverse(subject.inverse.run(vectors.z))
    return {**files, INT8.golden: vectors.to_bytes()}


def certify_int8(flow: Flow, files: Mapping[FileName, bytes], rows: Array) -> Certificate:
    """Measure the int8 graphs among `files`: as a density of its own, and against the flow in float64.

    Raises:
        CertificateError: a figure is out of tolerance; the message names the figures and the worst rows.
    """
    subject = Subject(flow, files, rows, trio=INT8)
    figures = [
        *delta_log_prob(subject),
        *round_trip(subject),
        cancellation(subject),
        certify.batch_invariance(subject),
        certify.finiteness(subject),
    ]
    if subject.dimension == PLANE:
        figures.append(certify.normalisation(subject))
    try:
        return issue(figures, TOLERANCES)
    except CertificateError as error:
        raise CertificateError(f"in int8 {error}\nleave int8 out, and the flow is published in float32 alone") from None


def delta_log_prob(subject: Subject) -> list[Figure]:
    """|log p(x) of a graph - log p(x) of the flow in float64|: mean, 99.9th percentile and largest, nats.

    The forward graph is asked about data and samples; the inverse graph about the samples that it draws.
    """
    answer = subject.inverse.run(subject.z)
    drawn = answer["x"].astype(np.float64)
    got = np.concatenate([subject.forward.run(subject.x)["log_prob"], answer["log_prob"]])
    rows = np.concatenate([subject.x, drawn])
    errors = worst(np.abs(got - subject.answers(rows)[2]))
    largest = Figure.of("delta_log_prob_max", errors, rows, "nats, on data and samples")
    return [
        replace(largest, name="delta_log_prob_mean", value=float(errors.mean())),
        replace(largest, name="delta_log_prob_p999", value=float(np.quantile(errors, RARE))),
        largest,
    ]


def round_trip(subject: Subject) -> list[Figure]:
    """The worst row, which may lie at the edge of a step, and the 90th percentile, which tells what the others do."""
    errors = certify.round_trip_errors(subject)
    rows = np.concatenate([subject.x, subject.z])
    largest = Figure.of("round_trip", errors, rows, "x in standard deviations of the data, z relative")
    return [largest, replace(largest, name="round_trip_p90", value=float(np.quantile(errors, MANY)))]


def cancellation(subject: Subject) -> Figure:
    """log|det| of x -> z plus log|det| of that z -> x, and log p(x) minus its parts; both are zero.

    Not the autograd Jacobian: the derivative of a rounded conditioner is zero or infinite, and no entry of it reaches
    the determinant of a triangular Jacobian.
    """
    forward = subject.forward.run(subject.x)
    back = subject.inverse.run(forward["z"])
    there = forward["log_abs_det_jacobian"].astype(np.float64)
    parts = base.log_prob(forward["z"]) + there
    errors = worst(np.abs(there + back["log_abs_det_jacobian"]), np.abs(forward["log_prob"] - parts))
    return Figure.of("log_abs_det_jacobian", errors, subject.x, "nats, forward + inverse")
