"""The content of a graph is checked in its bytes, before a runtime loads it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from diffeo.bundle import graph
from diffeo.bundle.errors import GraphRefused
from diffeo.bundle.manifest import Dtype

FORWARD = (Path(__file__).parents[1] / "data/affine2d/1/forward.onnx").read_bytes()


def test_a_graph_of_our_exporter_is_accepted() -> None:
    graph.inspect("forward.onnx", FORWARD, 2, "float32")


def add_node(model: onnx.ModelProto, operator: str, domain: str = "") -> None:
    model.graph.node.append(helper.make_node(operator, ["x"], ["spare"], domain=domain))


def external(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "spare")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    model.graph.initializer.append(tensor)


def external_in_attribute(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "spare")
    tensor.external_data.add(key="location", value="/etc/hostname")
    model.graph.node.append(helper.make_node("Constant", [], ["spare"], value=tensor))


def function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Neg", ["a"], ["b"])
    model.functions.append(helper.make_function("mine", "f", ["a"], ["b"], [node], [helper.make_opsetid("", 20)]))


def nested(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(helper.make_node("Identity", ["x"], ["spare"], body=inner))


def sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "spare")
    indices = numpy_helper.from_array(np.zeros(1, np.int64))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))


def fixed_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def renamed(model: onnx.ModelProto) -> None:
    model.graph.output[2].name = "likelihood"


def fewer_outputs(model: onnx.ModelProto) -> None:
    del model.graph.output[2]


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2]))


def other_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


CHANGES: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "a random operator": (lambda m: add_node(m, "RandomNormalLike"), "RandomNormalLike"),
    "a loop": (lambda m: add_node(m, "Loop"), "Loop"),
    "an operator of another domain": (lambda m: add_node(m, "Neg", domain="com.evil"), "Neg"),
    "an unknown operator": (lambda m: add_node(m, "PyOp"), "PyOp"),
    "external weights": (external, "another file"),
    "external weights in an attribute": (external_in_attribute, "another file"),
    "a function": (function, "functions"),
    "a nested graph": (nested, "nests"),
    "sparse weights": (sparse, "sparse"),
    "a fixed batch": (fixed_batch, r"x float32 \[4, 2\]"),
    "another name": (renamed, "likelihood"),
    "an output too few": (fewer_outputs, "expected"),
    "an input too many": (second_input, "y float32"),
    "another type": (other_type, "another type"),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES.keys())
def test_a_graph_with_other_content_is_refused(change: Callable[[onnx.ModelProto], object], words: str) -> None:
    model = onnx.load_from_string(FORWARD)
    change(model)
    with pytest.raises(GraphRefused, match=words):
        graph.inspect("forward.onnx", model.SerializeToString(), 2, "float32")


@pytest.mark.parametrize(("dimension", "dtype"), [(3, "float32"), (1, "float32"), (2, "float64")])
def test_a_signature_that_differs_from_the_manifest_is_refused(dimension: int, dtype: Dtype) -> None:
    with pytest.raises(GraphRefused, match="takes x"):
        graph.inspect("forward.onnx", FORWARD, dimension, dtype)


def test_a_forward_graph_is_refused_as_inverse_graph() -> None:
    with pytest.raises(GraphRefused, match="z float32"):
        graph.inspect("inverse.onnx", FORWARD, 2, "float32")


def test_a_weight_that_is_listed_as_input_is_accepted() -> None:
    model = onnx.load_from_string(FORWARD)
    weight = model.graph.initializer[0]
    model.graph.input.append(helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims)))
    graph.inspect("forward.onnx", model.SerializeToString(), 2, "float32")


@given(content=st.binary(max_size=200))
def test_random_bytes_are_refused_without_a_crash(content: bytes) -> None:
    with pytest.raises(GraphRefused):
        graph.inspect("forward.onnx", content, 2, "float32")


@given(place=st.integers(0, len(FORWARD) - 1), value=st.integers(0, 255), keep=st.integers(0, len(FORWARD)))
def test_a_damaged_graph_is_accepted_or_refused_without_a_crash(place: int, value: int, keep: int) -> None:
    damaged = bytearray(FORWARD)
    damaged[place] = value
    for content in (bytes(damaged), bytes(damaged[:keep])):
        try:
            graph.inspect("forward.onnx", content, 2, "float32")
        except GraphRefused as refusal:
            assert str(refusal).isprintable()
