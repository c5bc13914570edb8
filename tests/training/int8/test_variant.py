"""The certificate of a variant: graphs of another density, or of one too far from the flow, are refused."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor

from diffeo.bundle import golden
from diffeo.bundle.base import StandardNormal
from diffeo.bundle.errors import GoldenDisagrees
from diffeo.bundle.manifest import PLANE_CHECKS, VARIANT_CHECKS, FileName
from diffeo.training import export
from diffeo.training.certification import checks, subject
from diffeo.training.errors import CertificateError, NothingToRound
from diffeo.training.flows.flow import Flow
from diffeo.training.int8 import variant
from diffeo.training.int8.quantisation import quantise
from diffeo.training.int8.rounded_product import LEVELS
from tests.given.flows.wide import rows, wide

COLUMNS = 3
Files = dict[FileName, bytes]


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rows than for a fit: every row shows a mutation."""
    monkeypatch.setattr(subject, "SAMPLE_ROWS", 2000)
    monkeypatch.setattr(checks, "FAR_ROWS", 2000)


@pytest.fixture(scope="module")
def flow() -> Flow:
    return wide(COLUMNS)


@pytest.fixture(scope="module")
def data(flow: Flow) -> np.ndarray:
    return rows(flow, COLUMNS, 500).double().numpy()


@pytest.fixture(scope="module")
def files(flow: Flow, data: np.ndarray) -> Files:
    return variant.int8_files(flow, "float32", "float32", data)


def test_a_correct_pair_is_certified(flow: Flow, files: Files, data: np.ndarray) -> None:
    certificate = variant.certify_int8(flow, files, data)
    assert {check.name for check in certificate.checks} == VARIANT_CHECKS
    mean, p999, largest = (check.value for check in certificate.checks[:3])
    assert 0 < mean < p999 < largest


def test_two_columns_are_certified_with_the_integral_too() -> None:
    flow = wide(2, layers=1)
    data = rows(flow, 2, 500).double().numpy()
    certificate = variant.certify_int8(flow, variant.int8_files(flow, "float32", "float32", data), data)
    assert {check.name for check in certificate.checks} == VARIANT_CHECKS | PLANE_CHECKS


def test_the_golden_vectors_are_those_of_the_rounded_flow(flow: Flow, files: Files, data: np.ndarray) -> None:
    vectors = golden.parse(files["golden.int8.npy"], StandardNormal(COLUMNS))
    # The first half are rows of the data, the others are samples.
    half = len(vectors.x) // 2
    np.testing.assert_array_equal(vectors.x[:half], data[:half])
    z, _ = quantise(flow, COLUMNS).double().forward(torch.from_numpy(vectors.x))
    np.testing.assert_allclose(vectors.z, z.numpy(), rtol=1e-12)


def scale_steps(model: onnx.ModelProto) -> None:
    """Make the weights of one rounded product 5 % larger."""
    _rescale(model, 1.05)


def scale_steps_slightly(model: onnx.ModelProto) -> None:
    """A change too small for log_prob; but the other graph does not have it."""
    _rescale(model, 1.005)


def _rescale(model: onnx.ModelProto, factor: float) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name.endswith(".unit"))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), tensor.name))


def negate_log_determinant(model: onnx.ModelProto) -> None:
    _at_output(model, "log_abs_det_jacobian", "Neg")


def shift_log_prob(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.1, np.float32), "mistake"))
    _at_output(model, "log_prob", "Add", "mistake")


def _at_output(model: onnx.ModelProto, name: str, operator: str, *more: str) -> None:
    for node in model.graph.node:
        node.output[:] = ["mutated" if output == name else output for output in node.output]
        node.input[:] = ["mutated" if value == name else value for value in node.input]
    model.graph.node.append(onnx.helper.make_node(operator, ["mutated", *more], [name]))


MUTATIONS: dict[Callable[[onnx.ModelProto], None], str] = {
    scale_steps: "delta_log_prob_mean",
    scale_steps_slightly: "round_trip_p90",
    negate_log_determinant: "log_abs_det_jacobian",
    shift_log_prob: "log_abs_det_jacobian|delta_log_prob_mean",
}


@pytest.mark.parametrize("name", ["forward.int8.onnx", "inverse.int8.onnx"])
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_mutated_graph_is_refused(
    flow: Flow, files: Files, data: np.ndarray, name: FileName, mutate: Callable[[onnx.ModelProto], None]
) -> None:
    model = onnx.load_from_string(files[name])
    mutate(model)
    with pytest.raises(CertificateError, match=rf"(?s)^in int8 .*({MUTATIONS[mutate]}) is .*leave int8 out"):
        variant.certify_int8(flow, {**files, name: model.SerializeToString()}, data)


def test_rounding_steps_that_depend_on_the_batch_are_refused(
    flow: Flow, data: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_the_whole_batch(h: Tensor) -> Tensor:
        return (h.amax(dim=(0, 1)) / LEVELS).expand(h.shape[0])

    rounded = quantise(flow, COLUMNS)
    monkeypatch.setattr("diffeo.training.int8.rounded_product.row_scale", of_the_whole_batch)
    forward, inverse = export.to_onnx(rounded, COLUMNS, "float32")
    with pytest.raises(CertificateError, match="batch_invariance is"):
        variant.certify_int8(flow, {"forward.int8.onnx": forward, "inverse.int8.onnx": inverse}, data)


def test_graphs_of_another_flow_get_no_golden_vectors(
    flow: Flow, data: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = export.to_onnx(wide(COLUMNS, seed=5), COLUMNS, "float32")
    monkeypatch.setattr(export, "to_onnx", lambda *_: other)
    with pytest.raises(GoldenDisagrees, match=r"forward\.int8\.onnx computes z .* away from golden\.int8\.npy"):
        variant.int8_files(flow, "float32", "float32", data)


def test_a_flow_that_needs_float64_is_refused(flow: Flow, data: np.ndarray) -> None:
    with pytest.raises(NothingToRound, match="compute in float64 because float32 was out of tolerance"):
        variant.int8_files(flow, "float32", "float64", data)
