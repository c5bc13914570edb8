"""Exports a flow as graphs and certifies them, in the fastest number types that are within the tolerances."""

import sys

import numpy as np
import numpy.typing as npt

from diffeo.bundle import mixture
from diffeo.bundle.errors import BaseInvalid
from diffeo.bundle.manifest import BASE_NAME, Certificate, Dtype, FileName, VariantName
from diffeo.bundle.mixture import GaussianMixture

from .. import export
from ..certification.certificate import certify
from ..certification.subject import Snap, Subject
from ..errors import CertificateError
from ..flows.architecture import Architecture, flow_to_bytes
from ..flows.flow import Flow
from ..int8 import variant
from .number_types import NumberTypes, types_to_try
from .result import Destination

Array = npt.NDArray[np.float64]


def input_type(flow: Flow) -> Dtype:
    """The input type of the graphs of a flow."""
    mean = flow.get_buffer("transforms.0.mean")
    return next(name for name, kind in export.TORCH_TYPE.items() if kind == mean.dtype)


def as_input_type(rows: Array, dtype: Dtype) -> Array:
    """The rows rounded to the input type of the graphs, as float64."""
    return rows.astype(np.float32).astype(np.float64) if dtype == "float32" else rows


def certified(
    architecture: Architecture, dtype: Dtype, flow: Flow, rows: Array, snap: Snap | None = None
) -> tuple[Subject, Certificate]:
    """Export the flow and certify it, in float32 if that is exact enough (`number_types`).

    Args:
        architecture: of the flow.
        dtype: the least input type of the graphs. Where x needs float64, the standardisation of the flow becomes
            float64 too.
        flow: the flow.
        rows: rows of the data as the graphs take them [n, D].
        snap: moves rows to the ones that a request can carry (`diffeo.training.certification.subject`).

    Raises:
        CertificateError: the graphs are out of tolerance in every type.
    """
    choices = types_to_try(flow, dtype, rows)
    for types in choices:
        try:
            return _certified_in(types, architecture, flow, rows, snap)
        except CertificateError as error:
            if types.products == "float64":
                raise
            print(f"{error}\n{types} is not exact enough; a slower type is tried", file=sys.stderr)  # noqa: T201
    raise AssertionError("the last choice was tried")


def _certified_in(
    types: NumberTypes, architecture: Architecture, flow: Flow, rows: Array, snap: Snap | None
) -> tuple[Subject, Certificate]:
    if types.x == "float64":
        _widen_input(flow)
    forward, inverse = export.to_onnx(flow, architecture.dimension, types.x, types.products, types.rows)
    files: dict[FileName, bytes] = {
        "forward.onnx": forward,
        "inverse.onnx": inverse,
        "flow.safetensors": flow_to_bytes(flow, architecture),
    }
    subject = Subject(flow, files, as_input_type(rows, types.x), types.products, types.rows, snap=snap)
    certificate = certify(subject)
    files["golden.npy"] = subject.golden().to_bytes()
    if isinstance(subject.base, GaussianMixture):
        files[BASE_NAME] = _checked_file(subject.base)
    return subject, certificate


def _widen_input(flow: Flow) -> None:
    """Let the standardisation take x in float64; the rows behind it keep their type."""
    standardise = flow.get_submodule("transforms.0")
    for name in ("mean", "scale"):
        standardise.register_buffer(name, standardise.get_buffer(name).double())


def _checked_file(base: GaussianMixture) -> bytes:
    content = base.to_bytes()
    try:
        mixture.parse(content, base.dimension)
    except BaseInvalid as error:
        raise CertificateError(f"a service would refuse the base: {error}") from None
    return content


def with_extras(
    flow: Flow, dtype: Dtype, subject: Subject, destination: Destination
) -> tuple[dict[FileName, bytes], dict[VariantName, Certificate]]:
    """The files of the subject, with the further graphs that the destination asks for, and their certificates."""
    files = dict(subject.files)
    variants: dict[VariantName, Certificate] = {}
    if destination.torchscript:
        scripts = export.to_torchscript(flow, subject.dimension, dtype, subject.precision, subject.row_type)
        files["forward.ts"], files["inverse.ts"] = scripts
    if destination.int8:
        files |= variant.int8_files(flow, dtype, subject.precision, subject.data, subject.snap)
        variants["int8"] = variant.certify_int8(flow, files, subject.data)
    return files, variants
