"""The certificate: every check of a pair of graphs with its tolerance; outside a tolerance nothing is published.

A certificate proves that forward.onnx and inverse.onnx implement one normalised, invertible density, within the stated
errors. It does not prove that this density fits the data: the test loss in the provenance measures that.
"""

import hashlib
from collections.abc import Iterable, Mapping

import onnxruntime
import torch

from diffeo.bundle import agreement
from diffeo.bundle.errors import BundleError
from diffeo.bundle.manifest import PLANE, Certificate, Check, CheckName, Dtype
from diffeo.bundle.tolerances import TOLERANCES

from ..background import in_background
from ..errors import CertificateError
from . import checks, facts, sample_checks
from .measurement import Measurement
from .subject import Subject


def certify(subject: Subject) -> Certificate:
    """Measure every check and every fact; the integral is by quadrature for one and two columns.

    Raises:
        CertificateError: a measurement is out of tolerance; the message names it and the worst row.
    """
    in_plane = subject.dimension <= PLANE
    chosen = (
        checks.round_trip,
        checks.jacobian,
        checks.batch_invariance,
        sample_checks.row_isolation,
        checks.finiteness,
        sample_checks.sample_law,
        sample_checks.two_sample,
    )
    with in_background(lambda: _slow_measurements(subject, in_plane=in_plane)) as slow:
        errors = checks.parity_errors(subject)
        measurements = [checks.parity(subject, errors), *(check(subject) for check in chosen)]
        # The integral of a graph that is wrong can take hours, so the other checks must hold first.
        issue_certificate(measurements, TOLERANCES)
        if in_plane:
            measurements.append(checks.normalisation(subject))
    certificate = issue_certificate([*measurements, *slow()], TOLERANCES)
    return certificate.model_copy(update={"facts": facts.measure_facts(subject, errors)})


def _slow_measurements(subject: Subject, *, in_plane: bool) -> list[Measurement]:
    """The integral in many columns, and the check of a service: together they take as long as all other checks."""
    measurements = [] if in_plane else [sample_checks.normalisation(subject)]
    check_agreement(subject)
    return measurements


def check_agreement(subject: Subject) -> None:
    """Run the check that a service runs before it serves the graphs.

    Raises:
        CertificateError: a service would refuse the graphs.
    """
    golden = subject.golden()
    dtype: Dtype = "float64" if subject.forward.takes_float64 else "float32"
    digest = hashlib.sha256(golden.to_bytes()).hexdigest()
    try:
        agreement.check(subject.forward.run, subject.inverse.run, golden, dtype, digest, agreement.FURTHER_SECONDS)
    except BundleError as error:
        raise CertificateError(f"a service would refuse the graphs: {error}") from error


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
