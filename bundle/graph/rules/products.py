"""Rules of matrix products: the batch axis is never the axis that is summed."""

from typing import Final

from .. import limits
from ..value import FLOATS, INT8, INT32, ROWS, UINT8, Shape, Unprovable, Value, broadcast, make
from .rule import Call

MATRIX: Final = 2


def matmul(call: Call) -> Value:
    """MatMul of floats."""
    left, right = call.value(0), call.value(1)
    if left.element != right.element or left.element not in FLOATS:
        raise Unprovable("its inputs are no floats of one type")
    return make(left.element, _product(left.shape, right.shape))


def integer_matmul(call: Call) -> Value:
    """MatMulInteger: 8-bit rows times constant 8-bit weights, zero points constant."""
    left, right = call.value(0), call.value(1)
    if left.element not in {UINT8, INT8} or right.element not in {UINT8, INT8}:
        raise Unprovable("its inputs are no 8-bit integers")
    if right.axis is not None:
        raise Unprovable("its weights are no constant")
    for index in (2, 3):
        point = call.optional(index)
        if point is not None and (point.axis is not None or point.elements != 1):
            raise Unprovable("its zero points are no single constants")
    if left.rank and isinstance(left.shape[-1], int) and left.shape[-1] > limits.MAX_INTEGER_TERMS:
        raise Unprovable(f"it sums more than {limits.MAX_INTEGER_TERMS} products in 32 bits")
    return make(INT32, _product(left.shape, right.shape))


def gemm(call: Call) -> Value:
    """Gemm: alpha A B + beta C of matrices."""
    left, right, bias = call.value(0), call.value(1), call.optional(2)
    if left.rank != MATRIX or right.rank != MATRIX:
        raise Unprovable("its inputs are no matrices")
    elements = {value.element for value in (left, right, bias) if value is not None}
    if len(elements) > 1 or left.element not in FLOATS:
        raise Unprovable("its inputs are no floats of one type")
    a = left.shape[::-1] if call.flag("transA", default=False) else left.shape
    b = right.shape[::-1] if call.flag("transB", default=False) else right.shape
    shape = _product(a, b)
    if bias is not None and broadcast(shape, bias.shape) != shape:
        raise Unprovable(f"its bias of shape {list(bias.shape)} does not fit {list(shape)}")
    return make(left.element, shape)


def _product(left: Shape, right: Shape) -> Shape:
    if not left or not right:
        raise Unprovable("one of its inputs is a single number")
    a = left if len(left) > 1 else (1, *left)
    b = right if len(right) > 1 else (*right, 1)
    if a[-1] is ROWS or b[-2] is ROWS:
        raise Unprovable("it sums over the rows of the batch")
    if a[-1] != b[-2]:
        raise Unprovable(f"the shapes {list(left)} and {list(right)} do not fit each other")
    lead = broadcast(a[:-2], b[:-2])
    return lead + (a[-2:-1] if len(left) > 1 else ()) + (b[-1:] if len(right) > 1 else ())
