"""A correct pair of graphs is certified, and every mutation of a graph or of a flow is refused."""

import copy
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from diffeo.bundle import mixture
from diffeo.bundle.manifest import FileName
from diffeo.bundle.read import Bundle, read
from diffeo.bundle.tolerances import TOLERANCES
from diffeo.training import export
from diffeo.training.certification import checks, sample_checks, subject
from diffeo.training.certification.certificate import certify
from diffeo.training.certification.measurement import Measurement
from diffeo.training.certification.subject import Subject
from diffeo.training.errors import CertificateError
from diffeo.training.flows.affine import AffineCouplingSpec, AffineMap
from diffeo.training.flows.architecture import Architecture, flow_from_bytes
from diffeo.training.flows.conditioner import ConditionerShape
from diffeo.training.flows.coupling import Coupling, Halves
from diffeo.training.flows.elementwise import Theta
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.splines.coupling import SplineCouplingSpec

Mutation = Callable[[onnx.ModelProto], None]
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


def wrap_output(model: onnx.ModelProto, name: str, operator: str, *constants: np.ndarray) -> None:
    """Compute name = operator(the old name, constants), at the output alone."""
    for node in model.graph.node:
        for index, output in enumerate(node.output):
            if output == name:
                node.output[index] = f"{name}_before"
        for index, source in enumerate(node.input):
            if source == name:
                node.input[index] = f"{name}_before"
    inputs = [_constant(model, value) for value in constants]
    model.graph.node.append(onnx.helper.make_node(operator, [f"{name}_before", *inputs], [name]))


def wrap_input(model: onnx.ModelProto, operator: str, *constants: np.ndarray) -> None:
    """Compute the whole graph on operator(input, constants)."""
    name = model.graph.input[0].name
    for node in model.graph.node:
        for index, source in enumerate(node.input):
            if source == name:
                node.input[index] = f"{name}_after"
    inputs = [_constant(model, value) for value in constants]
    model.graph.node.insert(0, onnx.helper.make_node(operator, [name, *inputs], [f"{name}_after"]))


def _constant(model: onnx.ModelProto, value: np.ndarray) -> str:
    name = f"mistake_{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def flip_log_prob(model: onnx.ModelProto) -> None:
    """Compute log p = log p_z - log|det| instead of +: a common mistake."""
    node = next(node for node in model.graph.node if "log_prob" in node.output)
    node.op_type = {"Add": "Sub", "Sub": "Add"}[node.op_type]


def mix_rows(model: onnx.ModelProto) -> None:
    """Subtract a thousandth of the mean over the batch, so that a row depends on the rows beside it."""
    wrap_output(model, "log_prob", "Identity")
    scaled = _constant(model, number(1e-3))
    model.graph.node[-1].output[0] = "log_prob_alone"
    model.graph.node.extend(
        [
            onnx.helper.make_node("ReduceMean", ["log_prob_alone"], ["log_prob_mean"], keepdims=1),
            onnx.helper.make_node("Mul", ["log_prob_mean", scaled], ["log_prob_share"]),
            onnx.helper.make_node("Sub", ["log_prob_alone", "log_prob_share"], ["log_prob"]),
        ]
    )


def _output(name: str, operator: str, *values: float) -> Mutation:
    return lambda model: wrap_output(model, name, operator, *map(number, values))


def _result(operator: str, value: list[float]) -> Mutation:
    """Change z of the forward graph, or x of the inverse graph."""
    return lambda model: wrap_output(
        model, "z" if model.graph.input[0].name == "x" else "x", operator, np.array(value, np.float32)
    )


def _input(operator: str, *values: np.ndarray) -> Mutation:
    return lambda model: wrap_input(model, operator, *values)


# Each is tried on both graphs.
GRAPH_MUTANTS: dict[str, Mutation] = {
    "log-determinant with the other sign": _output("log_abs_det_jacobian", "Neg"),
    "log-determinant left out": _output("log_abs_det_jacobian", "Mul", 0.0),
    "log-determinant doubled": _output("log_abs_det_jacobian", "Mul", 2.0),
    "log-determinant in bits": _output("log_abs_det_jacobian", "Mul", 1 / float(np.log(2))),
    "log-determinant of one column less": _output("log_abs_det_jacobian", "Add", 0.3),
    "log_prob with the log-determinant subtracted": flip_log_prob,
    "log_prob off by 0.01": _output("log_prob", "Add", 0.01),
    "log_prob without half of log 2 pi": _output("log_prob", "Add", 0.5 * float(np.log(2 * np.pi))),
    "log_prob in bits": _output("log_prob", "Mul", 1 / float(np.log(2))),
    "log_prob negated": _output("log_prob", "Neg"),
    "log_prob as a density": _output("log_prob", "Exp"),
    "log_prob bounded below": _output("log_prob", "Max", -3.0),
    "rows mixed in a batch": mix_rows,
    "result with one column mirrored": _result("Mul", [1.0, -1.0]),
    "result stretched by a thousandth": _result("Mul", [1.001, 1.001]),
    "result moved": _result("Add", [0.01, 0.0]),
    "result bounded": _result("Min", [1.0, 1.0]),
    "columns of the input exchanged": _input("Gather", np.array([1, 0])),
    "input stretched": _input("Mul", np.array([1.01, 1.01], np.float32)),
    "input bounded": _input("Min", np.array([1.0, 1.0], np.float32)),
    "input moved": _input("Add", np.array([0.0, 0.01], np.float32)),
}


@pytest.mark.parametrize("name", ["forward.onnx", "inverse.onnx"])
@pytest.mark.parametrize("mutant", GRAPH_MUTANTS)
def test_a_mutated_graph_is_refused(bundle: Bundle, name: FileName, mutant: str) -> None:
    model = onnx.load_from_string(bundle.files[name])
    GRAPH_MUTANTS[mutant](model)
    for node in model.graph.node:
        if node.op_type == "Gather" and node.input[0] == model.graph.input[0].name:
            node.attribute.append(onnx.helper.make_attribute("axis", 1))
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


@functools.cache
def _solid() -> tuple[Flow, Mapping[FileName, bytes]]:
    torch.manual_seed(5)
    architecture = Architecture(3, 2, 8, 1, SplineCouplingSpec(), linear="first", components=2)
    flow = architecture.build(torch.zeros(3), torch.ones(3), rows=torch.from_numpy(SOLID_ROWS))
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    forward, inverse = export.to_onnx(flow, 3, "float32")
    return flow, {"forward.onnx": forward, "inverse.onnx": inverse}


SOLID_ROWS = np.random.default_rng(0).standard_normal((400, 3)).astype(np.float32).astype(np.float64)


def solid(**changes: Mutation) -> Subject:
    """The graphs of a small flow of three columns over a mixture, and the flow; `changes` mutate the graphs."""
    flow, right = _solid()
    files = dict(right)
    for name, mutate in changes.items():
        model = onnx.load_from_string(files[f"{name}.onnx"])  # type: ignore[index]
        mutate(model)
        files[f"{name}.onnx"] = model.SerializeToString()  # type: ignore[index]
    return Subject(flow, files, SOLID_ROWS)


def test_a_correct_pair_of_three_columns_is_certified_with_its_facts() -> None:
    certificate = certify(solid())
    assert {check.name for check in certificate.checks} == set(TOLERANCES)
    facts = {fact.name: fact.value for fact in certificate.facts}
    assert 0 < facts["least_singular_value"] < 1 < facts["greatest_singular_value"]
    assert facts["finite_radius"] >= 20
    assert facts["share_beyond_1e-5"] < 0.01


# A mutation that the check sees by itself.
SEEN_BY: dict[str, tuple[Callable[[Subject], Measurement], dict[str, Mutation]]] = {
    "sample_law": (sample_checks.sample_law, {"inverse": _output("log_prob", "Add", 0.05)}),
    "normalisation": (sample_checks.normalisation, {"forward": _output("log_prob", "Add", 0.002)}),
    "row_isolation": (sample_checks.row_isolation, {"forward": mix_rows}),
    "two_sample": (sample_checks.two_sample, {"inverse": _input("Mul", np.array([1.3, 1.3, 1.3], np.float32))}),
}


@pytest.mark.parametrize("name", SEEN_BY)
def test_each_check_that_draws_sees_a_mutation_by_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "SAMPLE_ROWS", 10_000)
    check, changes = SEEN_BY[name]
    assert check(solid()).check(TOLERANCES).holds
    assert not check(solid(**changes)).check(TOLERANCES).holds


def test_a_base_that_draws_another_law_than_its_density_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "SAMPLE_ROWS", 10_000)
    right = mixture.GaussianMixture.draw
    monkeypatch.setattr(
        mixture.GaussianMixture,
        "draw",
        lambda base, seed, start, count, temperature=1.0: right(base, seed, start, count, 1.3 * temperature),
    )
    with pytest.raises(CertificateError, match="two_sample"):
        certify(solid())
