"""Graphs that use each operator legally, row by row, and change no number: they must load."""

from collections.abc import Iterator

import numpy as np
from onnx import NodeProto, TensorProto

from .edited_graph import Case, Constants, node, silent

CONSTANTS: Constants = {
    "by_two": np.array([2, 1], np.int64), "weights": np.ones((2, 3), np.float32), "turned": np.ones((3, 2), np.float32),
    "bias": np.ones(3, np.float32), "row": np.ones((1, 2), np.float32), "k2": np.array([[1], [0]], np.int64),
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Every case of this file."""
    last = node("ReduceMax", "p i1", "extra", keepdims=0)
    shape = node("Shape", "x", "sh"), node("Slice", "sh i0 i1", "n")

    def case(name: str, *nodes: NodeProto) -> Case:
        return Case(name, silent(nodes, CONSTANTS))

    yield case("largest of a row", node("ReduceMax", "x i1", "extra", keepdims=0))
    yield case("sum of a row by the last axis", node("ReduceSum", "x i_last", "extra", keepdims=0))
    yield case(
        "sum of a row that is kept", node("ReduceSum", "x i1", "s", keepdims=1), node("Squeeze", "s i1", "extra")
    )
    yield case("Softmax of a row", node("Softmax", "x", "p", axis=1), last)
    yield case("turned twice", node("Transpose", "x", "t", perm=[1, 0]), node("Transpose", "t", "p"), last)
    yield case("turned and summed", node("Transpose", "x", "t"), node("ReduceSum", "t i0", "extra", keepdims=0))
    yield case("MatMul with weights", node("MatMul", "x weights", "p"), last)
    yield case(
        "MatMul from the left",
        node("Transpose", "x", "t"),
        node("MatMul", "turned t", "p"),
        node("ReduceMax", "p i0", "extra", keepdims=0),
    )
    yield case("Gemm with weights", node("Gemm", "x weights bias", "p"), last)
    yield case("Gemm with turned weights", node("Gemm", "x turned bias", "p", transB=1), last)
    yield case("a column", node("Gather", "x s1", "extra", axis=1))
    yield case("columns in another order", node("Gather", "x i01", "p", axis=-1), last)
    yield case("a slice of columns", node("Slice", "x i0 i1 i1", "p"), last)
    yield case("a slice of all rows", node("Slice", "x i0 i_all i0", "p"), last)
    yield case("columns split", node("Split", "x", "p q", axis=1, num_outputs=2), last)
    yield case("columns joined", node("Concat", "x x", "p", axis=-1), last)
    yield case("Reshape to rows", node("Reshape", "x m21", "p"), last)
    yield case(
        "Reshape by the number of rows",
        *shape,
        node("Concat", "n i2", "to", axis=0),
        node("Reshape", "x to", "p"),
        last,
    )
    yield case("Reshape to three axes", node("Unsqueeze", "x i2", "a"), node("Reshape", "a m21", "p"), last)
    yield case("Flatten", node("Flatten", "x", "p", axis=1), last)
    yield case("Expand to rows", *shape, node("Concat", "n i2", "to", axis=0), node("Expand", "row to", "p"), last)
    yield case("a new axis", node("Unsqueeze", "lp i1", "p"), last)
    yield case("Clip", node("Clip", "lp f0 f1", "extra"))
    yield case("Where", node("Greater", "lp f0", "q"), node("Where", "q lp f0", "extra"))
    yield case(
        "Not, And, Or",
        node("Less", "lp f0", "a"),
        node("Not", "a", "b"),
        node("And", "a b", "c"),
        node("Or", "c a", "d"),
        node("Cast", "d", "extra", to=TensorProto.FLOAT),
    )
    yield case("Max, Min, Pow", node("Max", "lp f0", "a"), node("Min", "a f1", "b"), node("Pow", "b f1", "extra"))
    yield case(
        "the bin of a row",
        node("Greater", "x f0", "q"),
        node("Cast", "q", "k", to=TensorProto.INT64),
        node("GatherElements", "x k", "p", axis=1),
        last,
    )
    counted = (
        node("Greater", "x f0", "q"),
        node("Cast", "q", "k", to=TensorProto.INT64),
        node("ReduceSum", "k i1", "c", keepdims=1),
    )
    three = node("Concat", "x x", "xx", axis=1)
    yield case("a counted bin", *counted, three, node("GatherElements", "xx c", "p", axis=1), last)
    number = node("Cast", "lp", "k", to=TensorProto.INT64), node("Clip", "k s0 s1", "c")
    yield case("a number of a row within a table", *number, node("Gather", "table c", "extra", axis=0))
    yield case(
        "float64 between",
        node("Cast", "lp", "d", to=TensorProto.DOUBLE),
        node("Cast", "d", "extra", to=TensorProto.FLOAT),
    )
    yield case(
        "Sigmoid, Tanh, Relu, Abs",
        node("Sigmoid", "lp", "a"),
        node("Tanh", "a", "b"),
        node("Relu", "b", "c"),
        node("Abs", "c", "extra"),
    )
