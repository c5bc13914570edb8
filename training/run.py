"""One run: recipe in, published bundle out. Load, fit, export, certify, publish, draw; resumable at every epoch."""

import datetime as dt
import hashlib
import importlib.metadata
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diffeo.bundle import base
from diffeo.bundle.manifest import PLANE, Calibration, Certificate, Dtype, FileName, Provenance, VariantName
from diffeo.bundle.read import Bundle
from diffeo.bundle.write import Parts, publish

from . import checkpoint, export, fit, pictures, source
from .certification import certify
from .errors import CertificateError, DeviceError
from .fit import Epoch, FitState
from .flows.architecture import Architecture, flow_to_bytes
from .flows.flow import Flow
from .int8 import quantise, variant
from .progress import progress
from .recipe import Recipe
from .source import Source

Array = npt.NDArray[np.float64]

FRESH_ROWS: Final = 50_000
LEVELS: Final = (0.0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
# A column whose mean is this many scales from zero has fewer than 12 of float32's 24 bits left for its own variation.
WIDE_OFFSET: Final = 2.0**12


@dataclass(frozen=True, slots=True)
class Options:
    """What the person at the keyboard decides beside the recipe.

    Attributes:
        models: the repository to publish into.
        runs: where unfinished fits keep their state.
        device: auto, cpu or cuda.
        resume: go on from the saved state.
        torchscript: put the two graphs into the bundle as TorchScript too.
        int8: put the two graphs into the bundle with their hidden products in 8-bit integers too.
    """

    models: Path
    runs: Path
    device: str = "auto"
    resume: bool = False
    torchscript: bool = False
    int8: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a fit came to: the bundle, its losses in nats, and where the pictures are."""

    bundle: Bundle
    record: tuple[Epoch, ...]
    test_nll: float
    kl_to_truth: float | None
    folder: Path

    def __str__(self) -> str:
        """A few lines for the person who started the fit."""
        manifest = self.bundle.manifest
        lines = [
            f"published {self.bundle.path}",
            f"test loss {self.test_nll:.4f} nats a row on {manifest.provenance.test_rows} rows",
        ]
        if self.kl_to_truth is not None:
            lines.append(f"KL(truth || model) {self.kl_to_truth:.4f} nats on {FRESH_ROWS} fresh points")
        lines.append(f"certificate: {_figures(manifest.certificate)}")
        lines += [f"{name}: {_figures(made.certificate)}" for name, made in manifest.variants.items()]
        return "\n".join([*lines, f"pictures in {self.folder}"])


def _figures(certificate: Certificate) -> str:
    return ", ".join(f"{check.name} {check.value:.1e}" for check in certificate.checks)


def run(recipe: Recipe, options: Options) -> Report:
    """Fit `recipe` and publish the result as the next version of models/NAME.

    Raises:
        DataError: the rows cannot be fitted.
        FitError: the optimisation does not stay finite.
        CertificateError: the graphs are out of tolerance.
        NothingToRound: int8 is asked for, and the flow has no use for it.
        In each of these cases nothing is published.
    """
    device = choose_device(options.device)
    rows = source.load(recipe)
    architecture, dtype, state = prepare(recipe, rows, device)
    if options.int8:
        quantise.require_wide(state.flow)
    fit_all(recipe, rows, state, options)
    flow = state.best.cpu()

    subject, certificate = certified(architecture, dtype, flow, held_as(rows.split.test, dtype))
    files = dict(subject.files)
    variants: dict[VariantName, Certificate] = {}
    if options.torchscript:
        scripts = export.to_torchscript(flow, subject.dimension, dtype, subject.precision)
        files["forward.ts"], files["inverse.ts"] = scripts
    if options.int8:
        files |= variant.int8_files(flow, dtype, subject.precision, subject.data)
        variants["int8"] = variant.certify_int8(flow, files, subject.data)

    scores = subject.forward.run(rows.split.test)["log_prob"].astype(np.float64)
    kl = kl_to_truth(rows, subject, recipe)
    made_by = provenance(recipe, rows, sum(p.numel() for p in flow.parameters()), float(-scores.mean()), kl)
    parts = Parts(rows.columns, dtype, subject.precision, files, certificate, calibration(scores), made_by, variants)
    bundle = publish(parts, options.models / recipe.name)
    folder = bundle.path.with_name(f"{bundle.path.name}.report")
    draw(rows, subject, state.record, recipe, folder)
    return Report(bundle, tuple(state.record), made_by.test_nll, kl, folder)


def choose_device(name: str) -> torch.device:
    """The device for a fit; `auto` takes CUDA where it is.

    Raises:
        DeviceError: CUDA is asked for and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda: torch sees no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare(recipe: Recipe, rows: Source, device: torch.device) -> tuple[Architecture, Dtype, FitState]:
    """A fresh flow, standardised by the training rows, and the state before its first epoch."""
    mean, scale = source.moments(rows.split.train)
    dtype: Dtype = "float64" if np.max(np.abs(mean) / scale) > WIDE_OFFSET else "float32"
    architecture = recipe.flow.architecture(len(mean))
    torch.manual_seed(recipe.fit.seed)
    wire = export.TORCH_TYPE[dtype]
    units = torch.tensor(mean, dtype=wire), torch.tensor(scale, dtype=wire)
    flow = architecture.build(*units, recipe.flow.sharpness)
    return architecture, dtype, fit.start(flow.to(device), recipe.fit)


def fit_all(recipe: Recipe, rows: Source, state: FitState, options: Options) -> None:
    """Run the epochs that are left, saving the state after each."""
    folder = options.runs / recipe.name
    digest = hashlib.sha256((recipe.digest + rows.sha256).encode()).hexdigest()
    if options.resume:
        checkpoint.load_state(state, folder, digest)
    device = next(state.flow.parameters()).device
    train, validation = (tensor(part, state, device) for part in (rows.split.train, rows.split.validation))
    steps = fit.steps_per_epoch(len(train), recipe.fit)
    with progress(recipe, steps, len(state.record)) as bar:
        while not fit.finished(state, recipe.fit):
            line = fit.fit(state, train, validation, recipe.fit, bar.watch)
            bar.epoch(line)
            checkpoint.save_state(state, folder, digest)


def tensor(rows: Array, state: FitState, device: torch.device) -> Tensor:
    """Rows as the flow takes them: in the wire type of x."""
    mean = state.flow.get_buffer("transforms.0.mean")
    return torch.tensor(rows, dtype=mean.dtype, device=device)


def held_as(rows: Array, dtype: Dtype) -> Array:
    """The rows after a trip through the wire type: what the graphs can be asked about."""
    return rows.astype(np.float32).astype(np.float64) if dtype == "float32" else rows


def certified(architecture: Architecture, dtype: Dtype, flow: Flow, rows: Array) -> tuple[certify.Subject, Certificate]:
    """The flow's graphs, in float32 if they hold there, else in float64: steep flows need its digits.

    Raises:
        CertificateError: they are out of tolerance in both.
    """
    try:
        return _certified_in("float32", architecture, dtype, flow, rows)
    except CertificateError as error:
        print(f"{error}\ncomputing in float64 instead, which is slower", file=sys.stderr)  # noqa: T201
        return _certified_in("float64", architecture, dtype, flow, rows)


def _certified_in(
    precision: Dtype, architecture: Architecture, dtype: Dtype, flow: Flow, rows: Array
) -> tuple[certify.Subject, Certificate]:
    forward, inverse = export.to_onnx(flow, architecture.dimension, dtype, precision)
    files: dict[FileName, bytes] = {
        "forward.onnx": forward,
        "inverse.onnx": inverse,
        "flow.safetensors": flow_to_bytes(flow, architecture),
    }
    subject = certify.Subject(flow, files, rows, precision)
    certificate = certify.certify(subject)
    files["golden.npy"] = certify.golden(subject).to_bytes()
    return subject, certificate


def kl_to_truth(rows: Source, subject: certify.Subject, recipe: Recipe) -> float | None:
    """KL(truth || model) in nats: the mean of log p_true - log p_model over 50,000 fresh points."""
    if rows.target is None:
        return None
    fresh = rows.target.draw(FRESH_ROWS, source.stream(recipe.fit.seed, "fresh points"))
    model = subject.forward.run(fresh)["log_prob"].astype(np.float64)
    return float((rows.target.log_prob(fresh) - model).mean())


def calibration(scores: Array) -> Calibration:
    """Quantiles of log_prob on the held-out rows."""
    quantiles = tuple(float(value) for value in np.quantile(scores, LEVELS))
    return Calibration(rows=len(scores), levels=LEVELS, log_prob=quantiles)


def provenance(recipe: Recipe, rows: Source, parameters: int, test_nll: float, kl: float | None) -> Provenance:
    """Where the numbers come from."""
    packages = ("diffeo", "torch", "onnx", "onnxscript", "numpy")
    return Provenance(
        name=recipe.name,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        recipe=recipe.flat(),
        data_sha256=rows.sha256,
        data_rows=rows.rows,
        versions={name: importlib.metadata.version(name).split("+")[0] for name in packages},
        parameters=parameters,
        test_rows=len(rows.split.test),
        test_nll=test_nll,
        kl_to_truth=kl,
    )


def draw(rows: Source, subject: certify.Subject, record: list[Epoch], recipe: Recipe, folder: Path) -> None:
    """Write the pictures and the record beside the bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["epoch,train_nll,validation_nll,skipped,setback"]
    lines += [
        f"{line.epoch},{line.train_nll:.6f},{line.validation_nll:.6f},{line.skipped},{line.setback:d}"
        for line in record
    ]
    (folder / "loss.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    floor = rows.target.entropy() if rows.target is not None else None
    pictures.loss(record, floor, folder / "loss.png")
    if subject.dimension == PLANE:
        normal = base.draw(recipe.fit.seed, 0, pictures.POINTS, PLANE)
        image = subject.forward.run(rows.split.test[: pictures.POINTS])["z"]
        pictures.forward(normal, image, recipe.name, folder / "forward.png")
        samples = subject.inverse.run(normal)["x"]
        pictures.inverse(rows.split.test, samples, recipe.name, rows.columns, folder / "inverse.png")
