"""Rules of QuantizeLinear and DequantizeLinear: each row has a scale of its own, or all rows one constant scale."""

from ..value import FLOATS, INT8, INT32, UINT8, Unprovable, Value, axis_of, make
from .rule import Call


def quantize(call: Call) -> Value:
    """Round floats to 8-bit integers."""
    value, point = call.value(0), call.optional(2)
    if value.element not in FLOATS:
        raise Unprovable("its input is no float")
    _check_scale(call, value)
    call.flag("saturate", default=True)
    element = point.element if point is not None else UINT8
    if element not in {UINT8, INT8}:
        raise Unprovable("its zero point is no 8-bit integer")
    return make(element, value.shape)


def dequantize(call: Call) -> Value:
    """Integers times their scale."""
    value = call.value(0)
    if value.element not in {UINT8, INT8, INT32}:
        raise Unprovable("its input is no 8-bit or 32-bit integer")
    _check_scale(call, value)
    return make(call.value(1).element, value.shape)


def _check_scale(call: Call, value: Value) -> None:
    scale, point = call.value(1), call.optional(2)
    if scale.element not in FLOATS:
        raise Unprovable("its scale is no float")
    if point is not None and (point.axis is not None or point.shape not in {(), scale.shape}):
        raise Unprovable("its zero point is no constant of the shape of its scale")
    if scale.shape == ():
        return
    axis = axis_of(call.integer("axis", 1), value.rank)
    if scale.rank != 1 or scale.shape[0] != value.shape[axis]:
        raise Unprovable(f"its scale {list(scale.shape)} does not have one number for each place of axis {axis}")
