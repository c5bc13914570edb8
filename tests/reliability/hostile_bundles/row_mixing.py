"""Graphs that let a row depend on other rows, on its place, or on the number of rows: for each operator."""

from collections.abc import Iterator

from onnx import NodeProto, TensorProto

from .edited_graph import Case, node, silent

# Operators with two inputs that pair [rows, 1] with [1, rows] and then sum over the pairs.
PAIRED = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min")
COMPARED = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")


def cases() -> Iterator[Case]:
    """Every case of this file."""
    yield from _reductions()
    yield from _products()
    yield from _pairs()
    yield from _places()
    yield from _selections()
    yield from _shapes()
    yield from _numbers_of_rows()
    yield from _data_as_sizes()
    yield from _second_meanings()


def _mix(name: str, *nodes: NodeProto) -> Case:
    """The case whose nodes compute `extra`, a single number or one number a row."""
    return Case(name, silent(nodes), "refused")


def _total(source: str) -> NodeProto:
    return node("ReduceMax", source, "extra", keepdims=0)


def _reductions() -> Iterator[Case]:
    for operator in ("ReduceMax", "ReduceSum"):
        for keep in (0, 1):
            for axes in ("i0", "i_minus_2", "i01"):
                end = node("Slice", "r i0 i1 i_last", "r1"), node("Squeeze", "r1 i_last", "extra")
                reduced = node(operator, f"x {axes}", "r", keepdims=keep)
                yield _mix(f"{operator} over {axes}, keepdims {keep}, of x", reduced, *end)
            yield _mix(f"{operator} over all, keepdims {keep}", node(operator, "x", "extra", keepdims=keep))
            yield _mix(f"{operator} of log_prob, keepdims {keep}", node(operator, "lp i0", "extra", keepdims=keep))
            yield _mix(
                f"{operator} by its last axis, keepdims {keep}", node(operator, "lp i_last", "extra", keepdims=keep)
            )
    yield _mix("Softmax of log_prob", node("Softmax", "lp", "extra", axis=0))
    yield _mix("Softmax by the last axis of log_prob", node("Softmax", "lp", "extra", axis=-1))
    for axis in (0, -2):
        yield _mix(f"Softmax of x over {axis}", node("Softmax", "x", "s", axis=axis), _total("s i1"))


def _products() -> Iterator[Case]:
    turned = node("Transpose", "x", "t", perm=[1, 0])
    yield _mix("MatMul of all rows with each other", turned, node("MatMul", "t x", "p"), _total("p"))
    yield _mix(
        "MatMul to a matrix of pairs",
        turned,
        node("MatMul", "x t", "p"),
        node("ReduceMax", "p i1", "extra", keepdims=0),
    )
    yield _mix("MatMul of two vectors", node("MatMul", "lp lp", "extra"))
    yield _mix("MatMul of a vector and a matrix", node("MatMul", "lp x", "p"), _total("p"))
    yield _mix("Gemm of x and x", node("Gemm", "x x", "p", transA=1), _total("p"))
    yield _mix("Gemm to pairs", node("Gemm", "x x", "p", transB=1), node("ReduceMax", "p i1", "extra", keepdims=0))
    yield _mix("Gemm of both turned", turned, node("Gemm", "t x", "p"), _total("p"))
    yield _mix(
        "Gemm with a bias for each place",
        node("Gemm", "x m2 position", "p"),
        node("ReduceMax", "p i1", "extra", keepdims=0),
    )


def _pairs() -> Iterator[Case]:
    sides = node("Unsqueeze", "lp i0", "a"), node("Unsqueeze", "lp i1", "b")
    for operator in PAIRED:
        end = node("ReduceMax", "p i0", "extra", keepdims=0)
        yield _mix(f"{operator} of every pair of rows", *sides, node(operator, "a b", "p"), end)
        yield _mix(
            f"{operator} of rows and columns",
            node(operator, "lp x", "p"),
            node("ReduceMax", "p i1", "extra", keepdims=0),
        )
    for operator in COMPARED:
        compared = node(operator, "a b", "q"), node("Cast", "q", "p", to=TensorProto.FLOAT)
        yield _mix(
            f"{operator} of every pair of rows", *sides, *compared, node("ReduceSum", "p i1", "extra", keepdims=0)
        )
    for operator in ("And", "Or"):
        flags = node("Greater", "a f0", "qa"), node("Greater", "b f0", "qb"), node(operator, "qa qb", "q")
        cast = node("Cast", "q", "p", to=TensorProto.FLOAT)
        yield _mix(
            f"{operator} of every pair of rows", *sides, *flags, cast, node("ReduceSum", "p i1", "extra", keepdims=0)
        )
    flag = node("Greater", "a f0", "q")
    yield _mix(
        "Where of every pair of rows",
        *sides,
        flag,
        node("Where", "q a b", "p"),
        node("ReduceMax", "p i0", "extra", keepdims=0),
    )


def _places() -> Iterator[Case]:
    for operator in PAIRED:
        yield _mix(f"{operator} with a number for each place", node(operator, "lp column", "extra"))
        end = node("ReduceMax", "p i1", "extra", keepdims=0)
        yield _mix(f"{operator} with numbers for each place", node(operator, "x position", "p"), end)
    for operator in COMPARED:
        cast = node("Cast", "q", "extra", to=TensorProto.FLOAT)
        yield _mix(f"{operator} with a number for each place", node(operator, "lp column", "q"), cast)
    flag = node("Greater", "column f1", "q")
    yield _mix("Where by the place", flag, node("Where", "q lp f0", "extra"))
    yield _mix("Clip by other rows", node("ReduceMax", "lp", "m", keepdims=0), node("Clip", "lp m", "extra"))
    yield _mix("Expand to 32 rows", node("Expand", "x rows32", "p"), node("ReduceMax", "p i1", "extra", keepdims=0))


def _selections() -> Iterator[Case]:
    yield _mix("Gather of the first row", node("Gather", "lp s0", "extra", axis=0))
    yield _mix("Gather of the last row", node("Gather", "lp i_last", "extra", axis=0))
    yield _mix("Gather of the first row of x", node("Gather", "x s0", "p", axis=0), _total("p"))
    yield _mix("Gather of a row by the axis -2", node("Gather", "x s0", "p", axis=-2), _total("p"))
    number = node("Cast", "lp", "k", to=TensorProto.INT64)
    yield _mix("Gather of rows by their numbers", number, node("Gather", "lp k", "extra", axis=0))
    yield _mix("GatherElements over the rows", number, node("GatherElements", "lp k", "extra", axis=0))
    clipped = number, node("Clip", "k s0 s0", "c")
    yield _mix("GatherElements of the first row", *clipped, node("GatherElements", "lp c", "extra", axis=0))
    yield _mix("GatherElements of a constant by rows", *clipped, node("GatherElements", "column c", "extra", axis=0))
    for ends in ("i0 i1", "i1 i_all", "i0 i_last", "i_last i_all", "i0 i2"):
        part = node("Slice", f"lp {ends} i0", "p")
        yield _mix(f"Slice of rows {ends}", part, _total("p"))
    yield _mix("Slice of rows backwards", node("Slice", "lp i_last i_minus_all i0 i_last", "extra"))
    yield _mix("Slice of every second row", node("Slice", "lp i0 i_all i0 i2", "p"), _total("p"))
    yield _mix("Slice of rows of x by the axis -2", node("Slice", "x i0 i1 i_minus_2", "p"), _total("p"))
    yield _mix("Split of the rows", node("Split", "lp", "p q", axis=0, num_outputs=2), _total("p"))
    yield _mix("Split of the rows by sizes", node("Split", "lp i2", "p", axis=0), _total("p"))
    yield _mix("Concat of rows", node("Concat", "lp lp", "p", axis=0), _total("p"))
    yield _mix("Concat with a constant row", node("Concat", "lp v1", "p", axis=0), _total("p"))
    yield _mix("Concat of rows by the axis -2", node("Concat", "x x", "p", axis=-2), node("ReduceMax", "p i1", "extra"))


def _shapes() -> Iterator[Case]:
    for shape in ("m1", "i1m", "i2m", "im1", "im4", "i4m", "i20", "rows32"):
        yield _mix(f"Reshape of x by {shape}", node("Reshape", f"x {shape}", "p"), _total("p i0"))
    yield _mix(
        "Reshape of x after Transpose",
        node("Transpose", "x", "t"),
        node("Reshape", "t m21", "p"),
        node("ReduceMax", "p i1", "extra", keepdims=0),
    )
    for axis in (0, 2, -2):
        yield _mix(f"Flatten at {axis}", node("Flatten", "x", "p", axis=axis), _total("p i1"))
    yield _mix("Squeeze of no axis", node("Squeeze", "lp", "extra"))
    yield _mix("Squeeze of the rows", node("Squeeze", "lp i0", "extra"))
    yield _mix(
        "Transpose taken for rows",
        node("Transpose", "x", "t"),
        node("ReduceMax", "t i1", "p", keepdims=0),
        node("Squeeze", "p i0", "extra"),
    )
    yield _mix(
        "Expand to pairs",
        node("Shape", "lp", "n"),
        node("Concat", "n n", "nn", axis=0),
        node("Expand", "lp nn", "p"),
        _total("p i1"),
    )
    yield _mix(
        "Unsqueeze and Expand to pairs",
        node("Unsqueeze", "lp i1", "a"),
        node("Shape", "lp", "n"),
        node("Expand", "a n", "p"),
        _total("p i1"),
    )


def _numbers_of_rows() -> Iterator[Case]:
    shape = node("Shape", "x", "sh")
    count = shape, node("Gather", "sh s0", "n", axis=0)
    as_float = node("Cast", "n", "extra", to=TensorProto.FLOAT)
    yield _mix("the number of rows as a number", *count, as_float)
    yield _mix(
        "the number of rows in float64",
        *count,
        node("Cast", "n", "d", to=TensorProto.DOUBLE),
        node("Cast", "d", "extra", to=TensorProto.FLOAT),
    )
    yield _mix(
        "the number of rows compared", *count, node("Equal", "n s32", "q"), node("Where", "q f0 f_half", "extra")
    )
    yield _mix(
        "the number of rows as a bool",
        *count,
        node("Cast", "n", "q", to=TensorProto.BOOL),
        node("Cast", "q", "extra", to=TensorProto.FLOAT),
    )
    for operator in ("Add", "Sub", "Mul", "Max", "Min"):
        yield _mix(
            f"the number of rows in {operator}",
            *count,
            node(operator, "n s1", "k"),
            node("Cast", "k", "extra", to=TensorProto.FLOAT),
        )
    yield _mix("the number of rows looked up", *count, node("Gather", "table n", "extra", axis=0))
    yield _mix(
        "the number of rows as an end",
        shape,
        node("Slice", "sh i0 i1 i0", "n"),
        node("Slice", "table i0 n i0", "p"),
        _total("p"),
    )
    yield _mix(
        "ones for each row, summed",
        shape,
        node("Slice", "sh i0 i1", "n"),
        node("Expand", "v1 n", "p"),
        node("ReduceSum", "p i0", "extra", keepdims=0),
    )
    yield _mix(
        "the sizes summed",
        shape,
        node("ReduceSum", "sh i0", "k", keepdims=0),
        node("Cast", "k", "extra", to=TensorProto.FLOAT),
    )
    yield _mix("the sizes as floats", shape, node("Cast", "sh", "p", to=TensorProto.FLOAT), _total("p i0"))
    yield _mix(
        "the sizes as weights",
        shape,
        node("Expand", "sh wide", "k"),
        node("Cast", "k", "p", to=TensorProto.FLOAT),
        _total("p"),
    )


def _data_as_sizes() -> Iterator[Case]:
    number = node("ReduceMax", "x i01", "m", keepdims=0), node("Cast", "m", "k", to=TensorProto.INT64)
    vector = node("Unsqueeze", "k i0", "k1")
    yield _mix(
        "Expand by data", *number, vector, node("Expand", "v1 k1", "p"), node("ReduceSum", "p", "extra", keepdims=0)
    )
    yield _mix("Gather by data", *number, node("Gather", "table k", "extra", axis=0))
    yield _mix("Reshape by data", *number, vector, node("Reshape", "x k1", "p"), _total("p"))
    yield _mix("Slice by data", *number, vector, node("Slice", "table i0 k1", "p"), _total("p"))
    row = node("Cast", "lp", "r", to=TensorProto.INT64)
    yield _mix("Gather from a table by a number of the row", row, node("Gather", "table r", "extra", axis=0))
    wide = node("Cast", "x", "r", to=TensorProto.INT64), node("GatherElements", "x r", "p", axis=1)
    yield _mix("GatherElements by a number of the row", *wide, node("ReduceMax", "p i1", "extra", keepdims=0))
    yield _mix(
        "Expand by numbers of the row", row, node("Expand", "v1 r", "p"), node("ReduceSum", "p", "extra", keepdims=0)
    )
    above = row, node("Clip", "r s0 s32", "c")
    yield _mix("Gather one place too far", *above, node("Gather", "column c", "extra", axis=0))
    yield _mix("division of integers", row, node("Div", "r r", "q"), node("Cast", "q", "extra", to=TensorProto.FLOAT))


def _second_meanings() -> Iterator[Case]:
    """Numbers that ONNX Runtime reads otherwise than most readers would: it sees axes that they do not see."""
    total = node("ReduceMax", "r i1", "extra", keepdims=0)
    for name, positions in (
        ("an end of INT64_MAX", "i0 i_all"),
        ("an end of INT32_MAX", "i0 i_32_bits"),
        ("a start before the first place", "i_minus_5 i_minus_all"),
    ):
        axes = node("Slice", f"i0 {positions} i0 i_last", "more"), node("Concat", "i1 more", "axes", axis=0)
        yield _mix(f"Slice backwards with {name}", *axes, node("ReduceMax", "x axes", "r", keepdims=1), total)
    for operator in ("ReduceMax", "ReduceSum"):
        one, two = node(operator, "x i1", "a", keepdims=2), node(operator, "x i1", "b", keepdims=1)
        yield _mix(f"{operator} with keepdims 2", one, two, node("Max", "a b", "r"), total)
        yield _mix(f"{operator} with noop_with_empty_axes 2", node(operator, "x", "r", noop_with_empty_axes=2), total)
    whole = node("Cast", "lp", "k", to=TensorProto.INT64)
    for saturate in (0, 2):
        cast = node("Cast", "k", "n", to=TensorProto.INT32, saturate=saturate)
        yield _mix(f"Cast with saturate {saturate}", whole, cast, node("Cast", "n", "extra", to=TensorProto.FLOAT))
    column = node("ReduceMax", "x i1", "a", keepdims=1)
    yield _mix("Squeeze by an empty list", column, node("Squeeze", "a none", "b"), node("Max", "a b", "r"), total)
