"""Exports a fitted flow, certifies its graphs and publishes them as a bundle with its report."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle.manifest import Certificate, Dtype, FileName, VariantName
from diffeo.bundle.read import Bundle
from diffeo.bundle.write import BundleContent, publish

from . import export, report
from .certification.certificate import certify
from .certification.subject import Subject
from .errors import CertificateError
from .fitting.choice import Choice
from .fitting.evaluation import Evaluation
from .flows.architecture import Architecture, flow_to_bytes
from .flows.flow import Flow
from .int8 import variant
from .recipe import Recipe
from .source import Dataset

Array = npt.NDArray[np.float64]

CERTIFIED_ROWS: Final = 50_000  # of the test rows; more take minutes and find no larger difference


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a bundle is published and which graphs it holds beside its two ONNX graphs.

    Attributes:
        models: the repository.
        torchscript: the two graphs as TorchScript too.
        int8: the two graphs with hidden products in 8-bit integers too.
    """

    models: Path
    torchscript: bool = False
    int8: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run.

    Attributes:
        bundle: the published bundle.
        records: one record for each evaluation of the fit.
        test_nll: loss on the held-out rows, nats per row.
        kl_to_truth: KL(truth || model), nats; None where the true distribution is unknown.
        folder: where loss.csv and the plots are.
        choice: which candidate was published, in one sentence; empty if there was one alone.
    """

    bundle: Bundle
    records: tuple[Evaluation, ...]
    test_nll: float
    kl_to_truth: float | None
    folder: Path
    choice: str = ""

    def __str__(self) -> str:
        """A few lines for the terminal."""
        manifest = self.bundle.manifest
        lines = [
            f"published {self.bundle.path}",
            f"test loss {self.test_nll:.4f} nats a row on {manifest.provenance.test_rows} rows",
        ]
        if self.kl_to_truth is not None:
            lines.append(f"KL(truth || model) {self.kl_to_truth:.4f} nats on {report.FRESH_ROWS} fresh points")
        if self.choice:
            lines.append(self.choice)
        lines.append(f"certificate: {_measurements(manifest.certificate)}")
        lines += [f"{name}: {_measurements(made.certificate)}" for name, made in manifest.variants.items()]
        return "\n".join([*lines, f"plots in {self.folder}"])


def _measurements(certificate: Certificate) -> str:
    return ", ".join(f"{check.name} {check.value:.1e}" for check in certificate.checks)


def publish_flow(
    recipe: Recipe, dataset: Dataset, choice: Choice, records: Sequence[Evaluation], destination: Destination
) -> Report:
    """Certify the chosen flow on the test rows and publish it as the next version of models/NAME.

    Raises:
        CertificateError: the graphs are out of tolerance; nothing is published.
    """
    flow, architecture = choice.candidate.flow.cpu(), choice.candidate.architecture
    dtype = wire_type(flow)
    test = dataset.split.test
    subject, certificate = certified(architecture, dtype, flow, as_wire_type(test[:CERTIFIED_ROWS], dtype))
    files, variants = _with_extras(flow, dtype, subject, destination)

    log_prob = subject.forward.run(test)["log_prob"].astype(np.float64)
    weights = dataset.split.weights_of(dataset.split.test_rows)
    test_nll, kl = -float(np.average(log_prob, weights=weights)), report.kl_to_truth(dataset, subject, recipe)
    provenance = report.provenance(recipe, dataset, sum(p.numel() for p in flow.parameters()), test_nll, kl)
    calibration = report.calibration(log_prob, weights)
    content = BundleContent(
        dataset.columns, dtype, subject.precision, files, certificate, calibration, provenance, variants
    )
    bundle = publish(content, destination.models / recipe.name)
    folder = bundle.path.with_name(f"{bundle.path.name}.report")
    report.write_report(dataset, subject, records, recipe, folder)
    return Report(bundle, tuple(records), test_nll, kl, folder, str(choice))


def _with_extras(
    flow: Flow, dtype: Dtype, subject: Subject, destination: Destination
) -> tuple[dict[FileName, bytes], dict[VariantName, Certificate]]:
    files = dict(subject.files)
    variants: dict[VariantName, Certificate] = {}
    if destination.torchscript:
        scripts = export.to_torchscript(flow, subject.dimension, dtype, subject.precision)
        files["forward.ts"], files["inverse.ts"] = scripts
    if destination.int8:
        files |= variant.int8_files(flow, dtype, subject.precision, subject.data)
        variants["int8"] = variant.certify_int8(flow, files, subject.data)
    return files, variants


def wire_type(flow: Flow) -> Dtype:
    """The type of x on the wire, which is the input type of the flow."""
    mean = flow.get_buffer("transforms.0.mean")
    return next(name for name, kind in export.TORCH_TYPE.items() if kind == mean.dtype)


def as_wire_type(rows: Array, dtype: Dtype) -> Array:
    """The rows rounded to the wire type of x, as float64: a request can carry exactly these."""
    return rows.astype(np.float32).astype(np.float64) if dtype == "float32" else rows


def certified(architecture: Architecture, dtype: Dtype, flow: Flow, rows: Array) -> tuple[Subject, Certificate]:
    """Export the flow in float32 and certify it; in float64 where float32 is out of tolerance, as for steep flows.

    Raises:
        CertificateError: the graphs are out of tolerance in both precisions.
    """
    try:
        return _certified_in("float32", architecture, dtype, flow, rows)
    except CertificateError as error:
        print(f"{error}\ncomputing in float64 instead, which is slower", file=sys.stderr)  # noqa: T201
        return _certified_in("float64", architecture, dtype, flow, rows)


def _certified_in(
    precision: Dtype, architecture: Architecture, dtype: Dtype, flow: Flow, rows: Array
) -> tuple[Subject, Certificate]:
    forward, inverse = export.to_onnx(flow, architecture.dimension, dtype, precision)
    files: dict[FileName, bytes] = {
        "forward.onnx": forward,
        "inverse.onnx": inverse,
        "flow.safetensors": flow_to_bytes(flow, architecture),
    }
    subject = Subject(flow, files, rows, precision)
    certificate = certify(subject)
    files["golden.npy"] = subject.golden().to_bytes()
    return subject, certificate
