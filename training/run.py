"""Fits a recipe and publishes the result: load, fit, export, certify, publish, report; resumable after every epoch."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diffeo.bundle.manifest import Certificate, Dtype, FileName, VariantName
from diffeo.bundle.read import Bundle
from diffeo.bundle.write import BundleContent, publish

from . import checkpoint, export, fit, report, source
from .certification.certificate import certify
from .certification.subject import Subject
from .errors import CertificateError, DeviceError
from .fit import EpochRecord, FitState
from .flows.architecture import Architecture, flow_to_bytes
from .flows.flow import Flow
from .int8 import quantisation, variant
from .progress import progress
from .recipe import Recipe
from .source import Dataset

Array = npt.NDArray[np.float64]

# A column whose mean is this many scales from zero has fewer than 12 of float32's 24 bits left for its own variation.
WIDE_OFFSET: Final = 2.0**12


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one run that are not part of the recipe.

    Attributes:
        models: the repository to publish into.
        runs: the folder for the state of unfinished fits.
        device: auto, cpu or cuda.
        resume: continue from the saved state.
        torchscript: add the two graphs as TorchScript to the bundle.
        int8: add the two graphs with hidden products in 8-bit integers to the bundle.
    """

    models: Path
    runs: Path
    device: str = "auto"
    resume: bool = False
    torchscript: bool = False
    int8: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run.

    Attributes:
        bundle: the published bundle.
        records: one record an epoch.
        test_nll: loss on the held-out rows, nats per row.
        kl_to_truth: KL(truth || model), nats; None where the true distribution is unknown.
        folder: where loss.csv and the plots are.
    """

    bundle: Bundle
    records: tuple[EpochRecord, ...]
    test_nll: float
    kl_to_truth: float | None
    folder: Path

    def __str__(self) -> str:
        """A few lines for the terminal."""
        manifest = self.bundle.manifest
        lines = [
            f"published {self.bundle.path}",
            f"test loss {self.test_nll:.4f} nats a row on {manifest.provenance.test_rows} rows",
        ]
        if self.kl_to_truth is not None:
            lines.append(f"KL(truth || model) {self.kl_to_truth:.4f} nats on {report.FRESH_ROWS} fresh points")
        lines.append(f"certificate: {_measurements(manifest.certificate)}")
        lines += [f"{name}: {_measurements(made.certificate)}" for name, made in manifest.variants.items()]
        return "\n".join([*lines, f"plots in {self.folder}"])


def _measurements(certificate: Certificate) -> str:
    return ", ".join(f"{check.name} {check.value:.1e}" for check in certificate.checks)


def run(recipe: Recipe, options: Options) -> Report:
    """Fit `recipe` and publish the result as the next version of models/NAME.

    Raises:
        DataError: the rows cannot be fitted.
        FitError: the optimisation does not stay finite.
        CertificateError: the graphs are out of tolerance.
        NothingToRound: `int8` is set, and integers would not make the flow faster.
        In each of these cases nothing is published.
    """
    device = choose_device(options.device)
    dataset = source.load(recipe)
    architecture, dtype, state = prepare(recipe, dataset, device)
    if options.int8:
        quantisation.require_wide_layers(state.flow)
    fit_all(recipe, dataset, state, options)
    flow = state.best.cpu()

    subject, certificate = certified(architecture, dtype, flow, as_wire_type(dataset.split.test, dtype))
    files = dict(subject.files)
    variants: dict[VariantName, Certificate] = {}
    if options.torchscript:
        scripts = export.to_torchscript(flow, subject.dimension, dtype, subject.precision)
        files["forward.ts"], files["inverse.ts"] = scripts
    if options.int8:
        files |= variant.int8_files(flow, dtype, subject.precision, subject.data)
        variants["int8"] = variant.certify_int8(flow, files, subject.data)

    log_prob = subject.forward.run(dataset.split.test)["log_prob"].astype(np.float64)
    test_nll, kl = float(-log_prob.mean()), report.kl_to_truth(dataset, subject, recipe)
    provenance = report.provenance(recipe, dataset, sum(p.numel() for p in flow.parameters()), test_nll, kl)
    calibration = report.calibration(log_prob)
    content = BundleContent(
        dataset.columns, dtype, subject.precision, files, certificate, calibration, provenance, variants
    )
    bundle = publish(content, options.models / recipe.name)
    folder = bundle.path.with_name(f"{bundle.path.name}.report")
    report.write_report(dataset, subject, state.records, recipe, folder)
    return Report(bundle, tuple(state.records), test_nll, kl, folder)


def choose_device(name: str) -> torch.device:
    """The device for a fit; `auto` chooses CUDA where torch finds it.

    Raises:
        DeviceError: `cuda` is requested and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda: torch sees no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare(recipe: Recipe, dataset: Dataset, device: torch.device) -> tuple[Architecture, Dtype, FitState]:
    """A fresh flow, standardised by the training rows, and the state before its first epoch."""
    mean, scale = source.moments(dataset.split.train)
    dtype: Dtype = "float64" if np.max(np.abs(mean) / scale) > WIDE_OFFSET else "float32"
    architecture = recipe.flow.architecture(len(mean))
    torch.manual_seed(recipe.fit.seed)
    wire_type = export.TORCH_TYPE[dtype]
    moments = torch.tensor(mean, dtype=wire_type), torch.tensor(scale, dtype=wire_type)
    flow = architecture.build(*moments, recipe.flow.sharpness)
    return architecture, dtype, fit.start(flow.to(device), recipe.fit)


def fit_all(recipe: Recipe, dataset: Dataset, state: FitState, options: Options) -> None:
    """Run the remaining epochs and save the state after each.

    Raises:
        ResumeError: `resume` is set, and no state of this recipe with these data was saved.
        FitError: the optimisation does not stay finite.
    """
    folder = options.runs / recipe.name
    digest = hashlib.sha256((recipe.digest + dataset.sha256).encode()).hexdigest()
    if options.resume:
        checkpoint.load_state(state, folder, digest)
    device = next(state.flow.parameters()).device
    train, validation = (to_tensor(rows, state, device) for rows in (dataset.split.train, dataset.split.validation))
    steps = fit.steps_per_epoch(len(train), recipe.fit)
    with progress(recipe, steps, len(state.records)) as bar:
        while not fit.finished(state, recipe.fit):
            record = fit.run_epoch(state, train, validation, recipe.fit, bar.on_step)
            bar.on_epoch(record)
            checkpoint.save_state(state, folder, digest)


def to_tensor(rows: Array, state: FitState, device: torch.device) -> Tensor:
    """Rows in the wire type of x, which is the input type of the flow."""
    mean = state.flow.get_buffer("transforms.0.mean")
    return torch.tensor(rows, dtype=mean.dtype, device=device)


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
