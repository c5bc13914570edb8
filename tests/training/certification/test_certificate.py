"""A correct pair of graphs is certified, and every mutation of a graph or of a flow is refused."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from diffeo.bundle.manifest import FileName
from diffeo.bundle.read import Bundle, read
from diffeo.bundle.tolerances import TOLERANCES
from diffeo.training import export
from diffeo.training.certification import checks, subject
from diffeo.training.certification.certificate import certify
from diffeo.training.certification.subject import Subject
from diffeo.training.errors import CertificateError
from diffeo.training.flows.affine import AffineCouplingSpec, AffineMap
from diffeo.training.flows.architecture import Architecture, flow_from_bytes
from diffeo.training.flows.conditioner import ConditionerShape
from diffeo.training.flows.coupling import Coupling, Halves
from diffeo.training.flows.elementwise import Theta

MOONS = Path(__file__).parents[3] / "models/moons/1"


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rows than for a fit: every row shows a mutation."""
    monkeypatch.setattr(subject, "SAMPLE_ROWS", 2000)
    monkeypatch.setattr(checks, "FAR_ROWS", 2000)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read(MOONS)


def subject_of(bundle: Bundle, files: Mapping[FileName, bytes]) -> Subject:
    """The graphs in `files`, with the flow and the rows of the bundle."""
    return Subject(flow_from_bytes(bundle.files["flow.safetensors"]), files, bundle.golden.x)


def test_a_correct_pair_is_certified(bundle: Bundle) -> None:
    certificate = certify(subject_of(bundle, bundle.files))
    assert {check.name for check in certificate.checks} == set(TOLERANCES)
    assert all(check.holds for check in certificate.checks)


def flip_log_determinant(model: onnx.ModelProto) -> None:
    """Negate log_abs_det_jacobian at the output."""
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "log_abs_det_jacobian":
                node.output[index] = "mutated"
        for index, name in enumerate(node.input):
            if name == "log_abs_det_jacobian":
                node.input[index] = "mutated"
    model.graph.node.append(onnx.helper.make_node("Neg", ["mutated"], ["log_abs_det_jacobian"]))


def flip_log_prob(model: onnx.ModelProto) -> None:
    """Compute log p = log p_z - log|det| instead of +: a common mistake."""
    node = next(node for node in model.graph.node if "log_prob" in node.output)
    node.op_type = {"Add": "Sub", "Sub": "Add"}[node.op_type]


def shift_log_prob(model: onnx.ModelProto) -> None:
    """Add 0.01, as when a normalising constant is mistyped."""
    node = next(node for node in model.graph.node if "log_prob" in node.output)
    node.output[0] = "mutated"
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.01, np.float32), "mistake"))
    model.graph.node.append(onnx.helper.make_node("Add", ["mutated", "mistake"], ["log_prob"]))


GRAPH_MUTATIONS = [flip_log_determinant, flip_log_prob, shift_log_prob]


@pytest.mark.parametrize("name", ["forward.onnx", "inverse.onnx"])
@pytest.mark.parametrize("mutate", GRAPH_MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_mutated_graph_is_refused(bundle: Bundle, name: FileName, mutate: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load_from_string(bundle.files[name])
    mutate(model)
    with pytest.raises(CertificateError, match=r"worst row \["):
        certify(subject_of(bundle, {**bundle.files, name: model.SerializeToString()}))


WEIGHTS = [
    tensor.name
    for tensor in onnx.load_from_string((MOONS / "forward.onnx").read_bytes()).graph.initializer
    if numpy_helper.to_array(tensor).size > 2 and numpy_helper.to_array(tensor).dtype == np.float32
]


@pytest.mark.parametrize("name", ["forward.onnx", "inverse.onnx"])
@pytest.mark.parametrize("weight", WEIGHTS[::5] + WEIGHTS[-2:])
def test_a_weight_that_is_one_percent_larger_is_out_of_tolerance(bundle: Bundle, name: FileName, weight: str) -> None:
    model = onnx.load_from_string(bundle.files[name])
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == weight)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.01), weight))
    measurement = checks.parity(subject_of(bundle, {**bundle.files, name: model.SerializeToString()}))
    assert not measurement.check(TOLERANCES).holds


@pytest.mark.parametrize("dropped", [1, 4, -1])
def test_a_graph_with_a_layer_less_is_refused(bundle: Bundle, dropped: int) -> None:
    flow = flow_from_bytes(bundle.files["flow.safetensors"])
    del flow.transforms[dropped]
    forward, inverse = export.to_onnx(flow, 2, "float32")
    with pytest.raises(CertificateError, match="parity"):
        certify(subject_of(bundle, {"forward.onnx": forward, "inverse.onnx": inverse}))


class WrongSign(Coupling):
    """The log-determinant has the wrong sign in both directions: graphs and flow agree, and both are wrong."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z, ladj = super().forward(x)
        return z, -ladj

    def inverse(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, ladj = super().inverse(z)
        return x, -ladj


class WrongInverse(AffineMap):
    """The inverse multiplies by exp(s) and should divide."""

    def inverse(self, z: torch.Tensor, theta: Theta) -> tuple[torch.Tensor, torch.Tensor]:
        s, t = theta
        return (z - t) * torch.exp(s), s


HALVES, SHAPE = Halves(2, flipped=False), ConditionerShape(8, 2)
WRONG = {
    "wrong sign": WrongSign(HALVES, AffineMap(2.0), SHAPE),
    "wrong inverse": Coupling(HALVES, WrongInverse(2.0), SHAPE),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_flow_that_is_wrong_itself_is_refused(wrong: Coupling) -> None:
    torch.manual_seed(2)
    flow = Architecture(2, 2, 8, 2, AffineCouplingSpec(limit=2.0)).build(torch.zeros(2), torch.ones(2))
    flow.transforms[1] = copy.deepcopy(wrong)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    forward, inverse = export.to_onnx(flow, 2, "float32")
    rows = np.random.default_rng(0).standard_normal((300, 2)).astype(np.float32).astype(np.float64)
    files: dict[FileName, bytes] = {"forward.onnx": forward, "inverse.onnx": inverse}
    with pytest.raises(CertificateError):
        certify(Subject(flow, files, rows))


def test_a_graph_that_answers_nan_is_refused(bundle: Bundle) -> None:
    model = onnx.load_from_string(bundle.files["forward.onnx"])
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == WEIGHTS[0])
    tensor.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(tensor), np.nan), tensor.name))
    with pytest.raises(CertificateError, match="non_finite"):
        certify(subject_of(bundle, {**bundle.files, "forward.onnx": model.SerializeToString()}))
