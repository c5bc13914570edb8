"""The int8 variant of a bundle: its graphs, its golden vectors and its certificate.

A variant is itself a density: forward and inverse share every rounded conditioner, and a conditioner reads only the
half that its coupling passes. So in exact arithmetic the two graphs invert each other, log|det| is the sum over the
maps that were used, and the density integrates to 1, whatever is rounded. The certificate also measures how far this
density is from that of the flow.

In float32 the inverse finds the passing half again to the last digit but one. Where this error carries an activation
over the edge of a rounding step, the map changes by the value of that step. `round_trip` and `log_abs_det_jacobian`
hold the largest such error; `round_trip_p90` shows that it is rare.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from diffeo.bundle.golden import ROUNDED_TOLERANCE
from diffeo.bundle.manifest import PLANE, VARIANT_FILES, Certificate, Dtype, FileName, Trio
from diffeo.bundle.tolerances import VARIANT_TOLERANCES as TOLERANCES

from .. import export
from ..certification import certificate, checks
from ..certification.measurement import Array, Measurement, worst
from ..certification.subject import Snap, Subject
from ..errors import CertificateError, NothingToRound
from ..flows.flow import Flow
from .quantisation import quantise

INT8: Final[Trio] = VARIANT_FILES["int8"]
RARE: Final = 0.999
MANY: Final = 0.9


def int8_files(
    flow: Flow, dtype: Dtype, precision: Dtype, rows: Array, snap: Snap | None = None
) -> dict[FileName, bytes]:
    """The graphs in int8 and their golden vectors.

    Args:
        flow: the flow, in the types that it was trained in.
        dtype: type of x on the wire.
        precision: type that the main graphs compute in.
        rows: data [rows, D], as the graphs take them.
        snap: moves rows to the ones that a request can carry.

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
    rounded = quantise(flow, dimension)
    forward, inverse = export.to_onnx(rounded, dimension, dtype)
    files: dict[FileName, bytes] = {INT8.forward: forward, INT8.inverse: inverse}
    subject = Subject(rounded, files, rows, trio=INT8, snap=snap)
    vectors = replace(subject.golden(), files=INT8, tolerance=ROUNDED_TOLERANCE)
    vectors.check_forward(subject.forward.run(vectors.x))
    vectors.check_inverse(subject.inverse.run(vectors.z))
    return {**files, INT8.golden: vectors.to_bytes()}


def certify_int8(flow: Flow, files: Mapping[FileName, bytes], rows: Array) -> Certificate:
    """Measure the int8 graphs among `files`: as a pair that must agree, and against the flow in float64.

    Raises:
        CertificateError: a measurement is out of tolerance; the message names it and the worst row.
    """
    subject = Subject(flow, files, rows, trio=INT8)
    measurements = [
        *delta_log_prob(subject),
        *round_trip(subject),
        cancellation(subject),
        checks.batch_invariance(subject),
        checks.finiteness(subject),
    ]
    if subject.dimension == PLANE:
        measurements.append(checks.normalisation(subject))
    try:
        return certificate.issue_certificate(measurements, TOLERANCES)
    except CertificateError as error:
        raise CertificateError(f"in int8 {error}\nleave int8 out to publish the flow in float32 alone") from None


def delta_log_prob(subject: Subject) -> list[Measurement]:
    """|log p(x) of a graph - log p(x) of the flow in float64|: mean, 99.9th percentile and largest, nats.

    The forward graph is measured on data and samples, the inverse graph on the samples that it draws.
    """
    answer = subject.inverse.run(subject.z)
    drawn = answer["x"].astype(np.float64)
    got = np.concatenate([subject.forward.run(subject.x)["log_prob"], answer["log_prob"]])
    rows = np.concatenate([subject.x, drawn])
    errors = worst(np.abs(got - subject.answers(rows)[2]))
    largest = Measurement.of("delta_log_prob_max", errors, rows, "nats, on data and samples")
    return [
        replace(largest, name="delta_log_prob_mean", value=float(errors.mean())),
        replace(largest, name="delta_log_prob_p999", value=float(np.quantile(errors, RARE))),
        largest,
    ]


def round_trip(subject: Subject) -> list[Measurement]:
    """The worst row, which may lie at the edge of a step, and the 90th percentile, which describes the other rows."""
    errors = checks.round_trip_errors(subject)
    rows = np.concatenate([subject.x, subject.z])
    largest = Measurement.of("round_trip", errors, rows, "x in standard deviations of the data, z relative")
    return [largest, replace(largest, name="round_trip_p90", value=float(np.quantile(errors, MANY)))]


def cancellation(subject: Subject) -> Measurement:
    """log|det| of x -> z plus log|det| of that z -> x, and log p(x) minus its terms; both should be zero.

    The autograd Jacobian cannot serve here: the derivative of a rounded conditioner is zero or infinite. None of its
    entries is part of the determinant of a triangular Jacobian.
    """
    forward = subject.forward.run(subject.x)
    inverse = subject.inverse.run(forward["z"])
    ladj = forward["log_abs_det_jacobian"].astype(np.float64)
    sum_of_terms = subject.base.log_prob(forward["z"]) + ladj
    errors = worst(np.abs(ladj + inverse["log_abs_det_jacobian"]), np.abs(forward["log_prob"] - sum_of_terms))
    return Measurement.of("log_abs_det_jacobian", errors, subject.x, "nats, forward + inverse")
