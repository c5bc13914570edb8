"""The certificate bites: every mutation of a graph or of a flow is caught, and an honest pair passes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from diffeo.bundle.manifest import FileName
from diffeo.bundle.read import Bundle, read
from diffeo.training import export
from diffeo.training.certification import certify
from diffeo.training.errors import CertificateError
from diffeo.training.flows.architecture import Architecture, flow_from_bytes
from diffeo.training.flows.conditioner import ConditionerShape
from diffeo.training.flows.coupling import AffineCoupling
from diffeo.training.flows.flow import Flow

MOONS = Path(__file__).parents[2] / "models/moons/1"


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer points than a fit is judged on: a mutation shows on any of them."""
    monkeypatch.setattr(certify, "SAMPLE_ROWS", 2000)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read(MOONS)


def subject(bundle: Bundle, files: dict[FileName, bytes], flow: Flow | None = None) -> certify.Subject:
    return certify.Subject(flow or flow_from_bytes(bundle.files["flow.safetensors"]), files, bundle.golden.x)


def test_an_honest_pair_is_certified(bundle: Bundle) -> None:
    certificate = certify.certify(subject(bundle, dict(bundle.files)))
    assert {check.name for check in certificate.checks} == set(certify.TOLERANCES)
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
    """log p = log p_z - log|det| instead of + : the classic slip."""
    node = next(node for node in model.graph.node if "log_prob" in node.output)
    node.op_type = {"Add": "Sub", "Sub": "Add"}[node.op_type]


def shift_log_prob(model: onnx.ModelProto) -> None:
    """A constant off by 1 %, as when a normaliser is mistyped."""
    node = next(node for node in model.graph.node if "log_prob" in node.output)
    node.output[0] = "mutated"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.01), "slip"))
    model.graph.node.append(onnx.helper.make_node("Add", ["mutated", "slip"], ["log_prob"]))


GRAPH_MUTATIONS = [flip_log_determinant, flip_log_prob, shift_log_prob]


@pytest.mark.parametrize("name", ["forward.onnx", "inverse.onnx"])
@pytest.mark.parametrize("mutate", GRAPH_MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_mutated_graph_is_caught(bundle: Bundle, name: FileName, mutate: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load_from_string(bundle.files[name])
    mutate(model)
    with pytest.raises(CertificateError, match=r"worst row \["):
        certify.certify(subject(bundle, {**bundle.files, name: model.SerializeToString()}))


WEIGHTS = [
    tensor.name
    for tensor in onnx.load_from_string((MOONS / "forward.onnx").read_bytes()).graph.initializer
    if numpy_helper.to_array(tensor).size > 2 and numpy_helper.to_array(tensor).dtype == np.float32
]


@pytest.mark.parametrize("name", ["forward.onnx", "inverse.onnx"])
@pytest.mark.parametrize("weight", WEIGHTS[::5] + WEIGHTS[-2:])
def test_a_weight_scaled_by_one_percent_is_caught(bundle: Bundle, name: FileName, weight: str) -> None:
    model = onnx.load_from_string(bundle.files[name])
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == weight)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.01), weight))
    figure = certify.parity(subject(bundle, {**bundle.files, name: model.SerializeToString()}))
    assert not figure.check(certify.TOLERANCES).holds


@pytest.mark.parametrize("dropped", [1, 4, -1])
def test_a_dropped_layer_is_caught(bundle: Bundle, dropped: int) -> None:
    flow = flow_from_bytes(bundle.files["flow.safetensors"])
    del flow.transforms[dropped]
    forward, inverse = export.to_onnx(flow, 2, "float32")
    with pytest.raises(CertificateError, match="parity"):
        certify.certify(subject(bundle, {"forward.onnx": forward, "inverse.onnx": inverse}))


class WrongSign(AffineCoupling):
    """A coupling whose log-determinant has the wrong sign both ways: graphs and flow agree, and both are wrong."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z, ladj = super().forward(x)
        return z, -ladj

    def inverse(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, ladj = super().inverse(z)
        return x, -ladj


class WrongInverse(AffineCoupling):
    """A coupling whose inverse multiplies by exp(s) where it should divide."""

    def inverse(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z_a, z_b = self.split(z)
        s, t = self.scale_and_shift(z_a)
        return self.join(z_a, (z_b - t) * torch.exp(s)), -s.sum(-1)


@pytest.mark.parametrize("wrong", [WrongSign, WrongInverse])
def test_a_flow_that_is_wrong_itself_is_caught(wrong: type[AffineCoupling]) -> None:
    torch.manual_seed(2)
    flow = Architecture(2, 2, 8, 2, 2.0).build(torch.zeros(2), torch.ones(2))
    flow.transforms[1] = wrong(2, ConditionerShape(8, 2), flipped=False, limit=2.0)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    forward, inverse = export.to_onnx(flow, 2, "float32")
    rows = np.random.default_rng(0).standard_normal((300, 2)).astype(np.float32).astype(np.float64)
    files: dict[FileName, bytes] = {"forward.onnx": forward, "inverse.onnx": inverse}
    with pytest.raises(CertificateError):
        certify.certify(certify.Subject(flow, files, rows))


def test_an_answer_that_is_not_a_number_is_the_worst_of_all(bundle: Bundle) -> None:
    model = onnx.load_from_string(bundle.files["forward.onnx"])
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == WEIGHTS[0])
    tensor.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(tensor), np.nan), tensor.name))
    with pytest.raises(CertificateError, match="non_finite"):
        certify.certify(subject(bundle, {**bundle.files, "forward.onnx": model.SerializeToString()}))
