"""A rule of the analysis derives the shapes and the integers that ONNX Runtime computes, or it refuses."""

import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from onnx import TensorProto, helper

from diffeo.bundle.graph.operators import FLOAT_RULES
from diffeo.bundle.graph.rules.rule import Call
from diffeo.bundle.graph.value import INTEGERS, ROWS, Shape, Unprovable, Value, known

Array = npt.NDArray[np.generic]
Attributes = tuple[tuple[str, int], ...]
Node = tuple[tuple[Array, ...], Attributes, int | None]

OPSET = 19
WIDE = (-(2**63), -(2**31), -4, -3, -2, -1, 0, 1, 2, 3, 4, 2**31 - 1, 2**31, 2**63 - 1)
NARROW = tuple(number for number in WIDE if -(2**31) <= number < 2**31)
FLAGS = (None, -1, 0, 1, 2)


def ints(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def table(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def lists(numbers: Sequence[int], most: int) -> Iterator[Array]:
    return (ints(*part) for length in range(most + 1) for part in itertools.product(numbers, repeat=length))


def named(**values: int | None) -> Attributes:
    return tuple((name, value) for name, value in values.items() if value is not None)


def slices() -> Iterator[Node]:
    for ends, kind in ((WIDE, np.int64), (NARROW, np.int32)):
        for start, end, step, size in itertools.product(ends, ends, (ends[0], -2, -1, 1, 2, ends[-1]), (0, 1, 3)):
            numbers = (np.array([number], kind) for number in (start, end, 0, step))
            yield (np.arange(size, dtype=np.int64) + 5, *numbers), (), None
    for start, end, step in itertools.product((-1, 0, 1), WIDE, (-1, 1)):
        yield (table(2, 3), ints(start), ints(end), ints(0), ints(step)), (), 0


def gathers() -> Iterator[Node]:
    for values, number, axis in itertools.product((ints(), ints(4), ints(4, 5, 6)), WIDE, (None, -2, -1, 0, 1)):
        for places in (ints(number), ints(0, number), np.array(number, np.int64)):
            yield (values, places), named(axis=axis), None


def shapes() -> Iterator[Node]:
    for start, end, axis in itertools.product((None, *WIDE), (None, *WIDE), (None, 0, 1)):
        yield (table(2, 3),), named(start=start, end=end), axis


def axes() -> Iterator[Node]:
    for listed, rows in itertools.product(lists((-3, -2, -1, 0, 1, 2), 2), (None, 0, 1)):
        yield (table(2, 1), listed), (), rows
        yield (table(1, 1), listed), (), rows
        if rows is None:
            yield (ints(7), listed), (), rows
            yield (np.array(7, np.int64), listed), (), rows


def targets() -> Iterator[Node]:
    for values in (table(2, 3), table(2, 1), table(1), ints(7), table(3, 0)):
        for target, rows in itertools.product(lists((-2, -1, 0, 1, 2, 3, 6), 2), (None, 0)):
            if rows is None or values.dtype == np.float32:
                yield (values, target), (), rows


def joins() -> Iterator[Node]:
    parts = ints(), ints(4), ints(4, 5), table(2, 3), table(2, 0), table(0, 3)
    for left, right, axis in itertools.product(parts, parts, (-3, -2, -1, 0, 1, 2)):
        if left.dtype == right.dtype:
            yield (left, right), named(axis=axis), None


def splits() -> Iterator[Node]:
    for width, axis, sizes in itertools.product((0, 1, 4), (None, -1, 0, 1, 2), lists((-1, 0, 1, 2, 3), 2)):
        yield (table(2, width), sizes), named(axis=axis), 0


def reductions() -> Iterator[Node]:
    for keep, noop, rows in itertools.product(FLAGS, FLAGS, (None, 0, 1)):
        for listed in (None, *lists((-3, -2, -1, 0, 1, 2), 1), ints(0, 1)):
            inputs = (table(2, 3),) if listed is None else (table(2, 3), listed)
            yield inputs, named(keepdims=keep, noop_with_empty_axes=noop), rows


def casts() -> Iterator[Node]:
    for kind, saturate in itertools.product((TensorProto.INT64, TensorProto.INT32, TensorProto.UINT8), FLAGS):
        yield (ints(4, 5),), named(to=kind, saturate=saturate), None


def products() -> Iterator[Node]:
    for left, right, rows in itertools.product(FLAGS, FLAGS, (None, 0)):
        yield (table(2, 3), table(3, 2)), named(transA=left, transB=right), rows


GRIDS = {
    "Slice": slices, "Gather": gathers, "Shape": shapes, "Squeeze": axes, "Unsqueeze": axes, "Reshape": targets,
    "Expand": targets, "Concat": joins, "Split": splits, "ReduceMax": reductions, "ReduceSum": reductions,
    "Cast": casts, "Gemm": products,
}  # fmt: skip


@pytest.mark.parametrize("operator", GRIDS)
def test_a_rule_derives_what_the_runtime_computes_or_refuses(operator: str) -> None:
    derived = 0
    for arrays, attributes, rows in GRIDS[operator]():
        outputs = len(arrays[1]) if operator == "Split" else 1
        values = _derive(operator, arrays, attributes, rows, outputs)
        for count in (1, 2) if rows is not None else (1,):
            given = arrays if rows is None else (arrays[0].take([0], rows).repeat(count, rows), *arrays[1:])
            computed = _compute(operator, given, attributes, outputs) if values else None
            # A node that the runtime refuses for every batch is noticed when the bundle is loaded.
            if computed is not None:
                assert [_differs(*pair, count) for pair in zip(values, computed, strict=True)] == [False] * outputs, (
                    arrays, attributes, rows, values, computed,
                )  # fmt: skip
                derived += 1
    # A rule that refuses every node fails here.
    assert derived > 1


def _derive(
    operator: str, arrays: Sequence[Array], attributes: Attributes, rows: int | None, outputs: int
) -> tuple[Value, ...]:
    inputs = [_value(array) for array in arrays]
    if rows is not None:
        shape = tuple(ROWS if axis == rows else size for axis, size in enumerate(inputs[0].shape))
        inputs[0] = Value(inputs[0].element, shape)
    try:
        values = FLOAT_RULES[operator].derive(Call(tuple(inputs), dict(attributes), OPSET, outputs))
    except Unprovable:
        return ()
    return values if isinstance(values, tuple) else (values,)


def _value(array: Array) -> Value:
    element = helper.np_dtype_to_tensor_dtype(array.dtype)
    if element in INTEGERS:
        return known(element, [int(number) for number in array.ravel()], scalar=not array.ndim)
    return Value(element, array.shape)


def _compute(operator: str, arrays: Sequence[Array], attributes: Attributes, outputs: int) -> Sequence[Array] | None:
    kinds = tuple((helper.np_dtype_to_tensor_dtype(array.dtype), array.ndim) for array in arrays)
    session = _session(operator, kinds, attributes, outputs)
    try:
        results = session and session.run(None, {f"i{index}": array for index, array in enumerate(arrays)})
    except Exception:  # noqa: BLE001  (one class per status code; they have no common base)
        return None
    return results and [np.asarray(result) for result in results]


@functools.cache
def _session(
    operator: str, kinds: tuple[tuple[int, int], ...], attributes: Attributes, outputs: int
) -> onnxruntime.InferenceSession | None:
    inputs = [
        helper.make_tensor_value_info(f"i{index}", kind, [f"i{index}_{axis}" for axis in range(rank)])
        for index, (kind, rank) in enumerate(kinds)
    ]
    names = [f"o{index}" for index in range(outputs)]
    node = helper.make_node(operator, [port.name for port in inputs], names)
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes)
    ports = [helper.make_empty_tensor_value_info(name) for name in names]
    graph = helper.make_graph([node], "one node", inputs, ports)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001  (as above)
        return None


def _differs(value: Value, computed: Array, count: int) -> bool:
    shape = _sizes(value.shape, count)
    numbers = [] if value.bounds is None else computed.ravel().tolist()
    return (
        (value.element, shape) != (helper.np_dtype_to_tensor_dtype(computed.dtype), computed.shape)
        or (value.content is not None and _sizes(value.content, count) != tuple(computed.ravel().tolist()))
        or (value.bounds is not None and any(not value.bounds[0] <= number <= value.bounds[1] for number in numbers))
    )


def _sizes(sizes: Shape, count: int) -> tuple[int, ...]:
    return tuple(count if size is ROWS else size for size in sizes)
