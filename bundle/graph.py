"""Checks the content of an ONNX file before a runtime loads it.

The graph of a flow is one flat list of deterministic, row-wise operators, with its weights inside. Only the operators
listed here are allowed, so a graph cannot draw random numbers, read another file, run custom code or recurse.

Reference: onnx/onnx.proto3 (field numbers), ONNX IR version 10.
"""

from collections.abc import Sequence
from typing import Final

from . import protobuf
from .errors import GraphRefused
from .manifest import Dtype

OPERATORS: Final = frozenset(
    """
    Abs Add And Cast Clip Concat Constant Div Equal Exp Expand Flatten Gather GatherElements Gemm Greater
    GreaterOrEqual Identity Less LessOrEqual Log MatMul Max Min Mul Neg Not Or Pow ReduceMax ReduceSum Relu Reshape
    Shape Sigmoid Slice Softmax Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze Where
    """.split()
)
# Matrix products of 8-bit integers, allowed in graphs of that precision only.
INT8_OPERATORS: Final = OPERATORS | {"QuantizeLinear", "MatMulInteger", "DequantizeLinear"}
INT8_GRAPHS: Final = frozenset({"forward.int8.onnx", "inverse.int8.onnx"})
DOMAINS: Final = frozenset({"", "ai.onnx"})
MAX_NODES: Final = 100_000

# ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto, ValueInfoProto: the fields read below.
MODEL_GRAPH, MODEL_FUNCTIONS, MODEL_OPSET = 7, 25, 8
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_SPARSE = 1, 5, 11, 12, 15
NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS = 5, 6, 10, 11
ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES = 22, 23
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14
VALUE_NAME, VALUE_TYPE, TYPE_TENSOR, TENSOR_ELEMENT, TENSOR_SHAPE = 1, 2, 1, 1, 2
SHAPE_DIMENSION, DIMENSION_VALUE, DIMENSION_SYMBOL = 1, 1, 2

ELEMENT: Final = {1: "float32", 11: "float64"}
OUTPUTS: Final = {
    "forward": ("z", "log_abs_det_jacobian", "log_prob"),
    "inverse": ("x", "log_abs_det_jacobian", "log_prob"),
}
INPUT: Final = {"forward": "x", "inverse": "z"}


def inspect(name: str, content: bytes, dimension: int, dtype: Dtype) -> None:
    """Check one graph: signature, operators, self-contained weights.

    Args:
        name: name of the file; the part before the first dot is the direction.
        content: the bytes of the file.
        dimension: D of the manifest.
        dtype: type of x; z and the two vectors are always float32.

    Raises:
        GraphRefused: the first problem found.
    """
    model = memoryview(content)
    graphs = list(protobuf.messages(model, MODEL_GRAPH))
    if len(graphs) != 1:
        raise GraphRefused(f"{name} holds {len(graphs)} graphs; expected 1")
    if next(protobuf.messages(model, MODEL_FUNCTIONS), None) is not None:
        raise GraphRefused(f"{name} defines functions; expected one flat list of operators")
    _check_weights(name, graphs[0])
    _check_nodes(name, graphs[0])
    _check_signature(name, graphs[0], dimension, dtype)


def _check_weights(name: str, graph: memoryview) -> None:
    if next(protobuf.messages(graph, GRAPH_SPARSE), None) is not None:
        raise GraphRefused(f"{name} holds sparse weights; expected dense ones")
    for tensor in protobuf.messages(graph, GRAPH_INITIALIZER):
        _check_tensor(name, tensor)


def _check_tensor(name: str, tensor: memoryview) -> None:
    for number, _ in protobuf.fields(tensor):
        if number in {TENSOR_EXTERNAL, TENSOR_LOCATION}:
            raise GraphRefused(f"{name} keeps weights in another file; expected every weight inside the graph")


def _check_nodes(name: str, graph: memoryview) -> None:
    allowed = INT8_OPERATORS if name in INT8_GRAPHS else OPERATORS
    for count, node in enumerate(protobuf.messages(graph, GRAPH_NODE)):
        if count >= MAX_NODES:
            raise GraphRefused(f"{name} has more than {MAX_NODES} nodes")
        domain, operator = protobuf.text(node, NODE_DOMAIN), protobuf.text(node, NODE_OPERATOR)
        if domain not in DOMAINS or operator not in allowed:
            raise GraphRefused(
                f"{name} uses the operator {ascii(operator)[:64]}, which is not allowed in the graph of a flow"
            )
        for attribute in protobuf.messages(node, NODE_ATTRIBUTE):
            _check_attribute(name, attribute)


def _check_attribute(name: str, attribute: memoryview) -> None:
    for number, value in protobuf.fields(attribute):
        if number in {ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES}:
            raise GraphRefused(f"{name} nests a graph or a sparse tensor in an attribute; expected a flat graph")
        if number in {ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS} and isinstance(value, memoryview):
            _check_tensor(name, value)


def _check_signature(name: str, graph: memoryview, dimension: int, dtype: Dtype) -> None:
    rows = {"x": (dtype, ("*", dimension)), "z": ("float32", ("*", dimension))}
    vector = ("float32", ("*",))
    direction = name.partition(".")[0]
    expected_inputs = [(INPUT[direction], *rows[INPUT[direction]])]
    expected_outputs = [(output, *rows.get(output, vector)) for output in OUTPUTS[direction]]
    weights = {protobuf.text(tensor, 8) for tensor in protobuf.messages(graph, GRAPH_INITIALIZER)}
    inputs = [_value(value) for value in protobuf.messages(graph, GRAPH_INPUT)]
    # Old exporters list weights among the inputs, but a caller does not pass weights.
    inputs = [value for value in inputs if value[0] not in weights]
    outputs = [_value(value) for value in protobuf.messages(graph, GRAPH_OUTPUT)]
    if inputs != expected_inputs:
        raise GraphRefused(f"{name} takes {_describe(inputs)}; expected {_describe(expected_inputs)}")
    if outputs != expected_outputs:
        raise GraphRefused(f"{name} returns {_describe(outputs)}; expected {_describe(expected_outputs)}")


Value = tuple[str, str, tuple[int | str, ...]]


def _value(value: memoryview) -> Value:
    tensor = memoryview(b"")
    for kind in protobuf.messages(value, VALUE_TYPE):
        for found in protobuf.messages(kind, TYPE_TENSOR):
            tensor = found
    element = ELEMENT.get(protobuf.integer(tensor, TENSOR_ELEMENT), "another type")
    shape: list[int | str] = []
    for dimensions in protobuf.messages(tensor, TENSOR_SHAPE):
        for size in protobuf.messages(dimensions, SHAPE_DIMENSION):
            symbolic = protobuf.text(size, DIMENSION_SYMBOL) != ""
            shape.append("*" if symbolic else protobuf.integer(size, DIMENSION_VALUE))
    return protobuf.text(value, VALUE_NAME), element, tuple(shape)


def _describe(values: Sequence[Value]) -> str:
    parts = [f"{ascii(name)[1:-1][:64]} {element} {list(shape)}" for name, element, shape in values[:8]]
    return ", ".join(parts) or "nothing"
