"""The certificate: every check of a pair of graphs with its tolerance; outside a tolerance nothing is published.

A certificate proves that forward.onnx and inverse.onnx implement one normalised, invertible density, within the stated
errors. It does not prove that this density fits the data: the test loss in the provenance measures that.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import onnxruntime
import torch

from diffeo.bundle.manifest import PLANE, Certificate, Check, CheckName

from ..errors import CertificateError
from . import checks
from .measurement import Measurement
from .subject import Subject

# Each tolerance with its reason. Float32 carries 24 bits; a flow of some ten couplings loses a few of them.
TOLERANCES: Final[Mapping[CheckName, float]] = {
    "parity": 1e-4,  # of the worst row
    "round_trip": 1e-3,  # in standard deviations of the data
    "log_abs_det_jacobian": 1e-3,  # nats
    "batch_invariance": 1e-6,  # a row's answer must not depend on the rows beside it
    "non_finite_within_20_sigma": 0.0,
    "normalisation": 1e-3,  # of the mass, which is 1
}


def certify(subject: Subject) -> Certificate:
    """Measure every check; the integral is measured for two columns only.

    Raises:
        CertificateError: a measurement is out of tolerance; the message names it and the worst row.
    """
    chosen = [checks.parity, checks.round_trip, checks.jacobian, checks.batch_invariance, checks.finiteness]
    if subject.dimension == PLANE:
        chosen.append(checks.normalisation)
    return issue_certificate([check(subject) for check in chosen], TOLERANCES)


def issue_certificate(measurements: Iterable[Measurement], tolerances: Mapping[CheckName, float]) -> Certificate:
    """The certificate that holds these measurements.

    Raises:
        CertificateError: a measurement is out of tolerance; the message names it and the worst row.
    """
    measured = [(measurement.check(tolerances), measurement.worst) for measurement in measurements]
    failures = [_failure(check, row) for check, row in measured if not check.holds]
    if failures:
        raise CertificateError("\n".join(failures))
    return Certificate(
        reference="the flow in float64, torch " + torch.__version__.split("+")[0],
        runtime=f"onnxruntime {onnxruntime.__version__}, CPUExecutionProvider",
        checks=tuple(check for check, _ in measured),
    )


def _failure(check: Check, row: tuple[float, ...]) -> str:
    numbers = ", ".join(f"{value:.6g}" for value in row)
    return f"{check.name} is {check.value:.3g}, tolerance {check.tolerance:.0e} ({check.about}); worst row [{numbers}]"
