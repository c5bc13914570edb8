"""Rules of operators that combine tensors element by element: arithmetic, comparisons, Where, Clip, Cast."""

from collections.abc import Callable
from typing import Final

from ..value import BOOL, FLOAT32, FLOATS, INT64, INTEGERS, RANGES, WIDTHS, Unprovable, Value, broadcast, known, make
from .rule import Call

Bounds = tuple[int, int]
Combine = Callable[[Bounds, Bounds], Bounds]

BOUNDS: Final[dict[str, Combine]] = {
    "Add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "Sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "Max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "Min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
}


def unary(call: Call) -> Value:
    """An operator with one input and a result of the same shape and type; floats only."""
    value = call.value(0)
    if value.element not in FLOATS:
        raise Unprovable("its input is no float")
    return make(value.element, value.shape)


def identity(call: Call) -> Value:
    """The input itself."""
    return call.value(0)


def constant(call: Call) -> Value:
    """Constant: a tensor, or numbers, in one attribute."""
    if len(call.attributes) != 1:
        raise Unprovable("it does not have exactly one value")
    ((name, value),) = call.attributes.items()
    if name == "value" and isinstance(value, Value):
        return value
    if name in {"value_int", "value_ints"}:
        numbers = (call.integer(name, 0),) if name == "value_int" else call.integers(name) or ()
        return known(INT64, numbers, scalar=name == "value_int")
    if name == "value_float" and isinstance(value, float):
        return Value(FLOAT32, ())
    if name == "value_floats" and isinstance(value, tuple) and value:
        return make(FLOAT32, (len(value),))
    raise Unprovable(f"its attribute {name} holds another type")


def sign_free(call: Call) -> Value:
    """Abs, Neg and Relu: any number type."""
    value = call.value(0)
    if value.element == BOOL:
        raise Unprovable("its input is a bool")
    return make(value.element, value.shape)


def arithmetic(operator: str) -> Callable[[Call], Value]:
    """Operators with inputs of one number type."""

    def derive(call: Call) -> Value:
        values = call.all()
        element = _common(values)
        if element == BOOL:
            raise Unprovable("its inputs are bools")
        return make(element, broadcast(*(value.shape for value in values)), _bounds(operator, values))

    return derive


def division(call: Call) -> Value:
    """Division of floats: that of integers by zero ends the process."""
    values = call.all()
    if _common(values) not in FLOATS:
        raise Unprovable("it divides integers, which ends the process where the divisor is zero")
    return make(values[0].element, broadcast(*(value.shape for value in values)))


def power(call: Call) -> Value:
    """Pow: the type of the base; the exponent may have another one."""
    base, exponent = call.value(0), call.value(1)
    if base.element not in FLOATS or exponent.element == BOOL:
        raise Unprovable("its base is no float")
    return make(base.element, broadcast(base.shape, exponent.shape))


def comparison(call: Call) -> Value:
    """Two inputs of one type, a result of bools."""
    values = call.all()
    _common(values)
    return make(BOOL, broadcast(*(value.shape for value in values)), (0, 1))


def logic(call: Call) -> Value:
    """And, Or, Not: bools."""
    values = call.all()
    if any(value.element != BOOL for value in values):
        raise Unprovable("its inputs are not all bools")
    return make(BOOL, broadcast(*(value.shape for value in values)), (0, 1))


def where(call: Call) -> Value:
    """Where: a condition and two branches of one type."""
    condition, left, right = call.value(0), call.value(1), call.value(2)
    if condition.element != BOOL:
        raise Unprovable("its condition is no bool")
    element = _common((left, right))
    both = left.bounds, right.bounds
    bounds = None
    if both[0] is not None and both[1] is not None:
        bounds = min(both[0][0], both[1][0]), max(both[0][1], both[1][1])
    return make(element, broadcast(condition.shape, left.shape, right.shape), bounds)


def clip(call: Call) -> Value:
    """Clip: its limits are single constants."""
    value = call.value(0)
    if value.element == BOOL:
        raise Unprovable("its input is a bool")
    bounds = value.bounds or RANGES.get(value.element)
    for index, operator in ((1, "Max"), (2, "Min")):
        limit = call.optional(index)
        if limit is None:
            continue
        if limit.shape != () or limit.element != value.element:
            raise Unprovable("its limits are no single numbers of the type of its input")
        bounds = BOUNDS[operator](bounds, limit.bounds) if bounds and limit.bounds else None
    return make(value.element, value.shape, bounds)


def cast(call: Call) -> Value:
    """Cast between number types and bool; the number of rows stays an integer."""
    value, element = call.value(0), call.integer("to", 0)
    if element not in WIDTHS:
        raise Unprovable(f"it casts to type {element}, which no flow needs")
    if not call.flag("saturate", default=True):
        raise Unprovable("it does not saturate, which has a meaning for 8-bit floats only")
    if value.content is not None and element == INT64 and value.element in INTEGERS:
        return Value(element, value.shape, value.content, value.bounds)
    if value.tells_rows:
        raise Unprovable("it makes a number of the number of rows")
    bounds = (0, 1) if element == BOOL else value.bounds
    return make(element, value.shape, bounds)


def _common(values: tuple[Value, ...]) -> int:
    elements = {value.element for value in values}
    if len(elements) != 1:
        raise Unprovable("its inputs have different types")
    return elements.pop()


def _bounds(operator: str, values: tuple[Value, ...]) -> Bounds | None:
    combine, known = BOUNDS.get(operator), [value.bounds for value in values]
    result = known[0]
    for bounds in known[1:]:
        if combine is None or bounds is None or result is None:
            # The smaller or larger of two integers is bounded on one side by the one that is known.
            return _one_sided(operator, result, bounds, values[0].element) if len(known) == 2 else None  # noqa: PLR2004
        result = combine(result, bounds)
    return result if combine is not None else None


def _one_sided(operator: str, left: Bounds | None, right: Bounds | None, element: int) -> Bounds | None:
    if operator not in {"Max", "Min"} or element not in RANGES or (left is None and right is None):
        return None
    return BOUNDS[operator](left or RANGES[element], right or RANGES[element])
