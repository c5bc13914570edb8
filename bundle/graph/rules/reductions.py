"""Rules of operators that compute along an axis: sums, largest values, Softmax. The batch axis is never among them."""

from collections.abc import Callable
from typing import Final

from ..value import FLOATS, INT64, ROWS, Size, Unprovable, Value, axis_of, make
from .rule import Call

# The first operator set in which the axes are an input, and no longer an attribute.
AXES_ARE_INPUT: Final = {"ReduceSum": 13, "ReduceMax": 18}


def reduction(operator: str) -> Callable[[Call], Value]:
    """ReduceSum and ReduceMax."""

    def derive(call: Call) -> Value:
        value, axes = call.value(0), _axes(operator, call)
        keep, is_empty_noop = call.flag("keepdims", default=True), call.flag("noop_with_empty_axes", default=False)
        if operator == "ReduceSum" and value.element not in FLOATS | {INT64}:
            raise Unprovable("it sums no floats and no int64")
        if not axes:
            if is_empty_noop:
                return value
            axes = tuple(range(value.rank))
        chosen = [axis_of(axis, value.rank) for axis in axes]
        if len(set(chosen)) != len(chosen):
            raise Unprovable("it names an axis twice")
        if value.axis in chosen:
            raise Unprovable("it combines the rows of the batch")
        sizes: list[Size] = [
            1 if axis in chosen else size for axis, size in enumerate(value.shape) if keep or axis not in chosen
        ]
        return make(value.element, sizes, _bounds(operator, value, chosen))

    return derive


def softmax(call: Call) -> Value:
    """Softmax along one axis."""
    value = call.value(0)
    if value.element not in FLOATS:
        raise Unprovable("its input is no float")
    axis = axis_of(call.integer("axis", -1), value.rank)
    if value.shape[axis] is ROWS:
        raise Unprovable("it combines the rows of the batch")
    return make(value.element, value.shape)


def _axes(operator: str, call: Call) -> tuple[int, ...]:
    is_input = call.opset >= AXES_ARE_INPUT[operator]
    listed = call.integers("axes")
    given = call.optional(1)
    if (listed is not None and is_input) or (given is not None and not is_input):
        raise Unprovable(f"its axes have no meaning in operator set {call.opset}")
    return given.integers("its list of axes") if given is not None else listed or ()


def _bounds(operator: str, value: Value, chosen: list[int]) -> tuple[int, int] | None:
    if value.bounds is None:
        return None
    if operator == "ReduceMax":
        # The largest of no values is the least number of the type, below every bound.
        return None if any(value.shape[axis] == 0 for axis in chosen) else value.bounds
    count = 1
    for axis in chosen:
        size = value.shape[axis]
        count *= size if isinstance(size, int) else 1
    return value.bounds[0] * count, value.bounds[1] * count
