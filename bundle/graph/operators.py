"""The table of allowed operators with their rules. A new operator is one entry."""

from collections.abc import Mapping
from typing import Final

from . import limits
from .rules import elementwise as each
from .rules import layout, products, quantised, reductions, selection
from .rules.rule import Derive, Rule

MANY: Final = limits.MAX_NODE_VALUES


def _rule(derive: Derive, least: int, most: int, attributes: str = "", *, reads_sizes: bool = False) -> Rule:
    return Rule(derive, (least, most), frozenset(attributes.split()), reads_sizes)


FLOAT_RULES: Final[Mapping[str, Rule]] = {
    **{name: _rule(each.unary, 1, 1) for name in ("Exp", "Log", "Sigmoid", "Sqrt", "Tanh")},
    **{name: _rule(each.sign_free, 1, 1) for name in ("Abs", "Neg", "Relu")},
    **{name: _rule(each.arithmetic(name), 2, 2) for name in ("Add", "Mul", "Sub")},
    **{name: _rule(each.arithmetic(name), 1, MANY) for name in ("Max", "Min")},
    **{name: _rule(each.comparison, 2, 2) for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")},
    **{name: _rule(each.logic, 2, 2) for name in ("And", "Or")},
    "Not": _rule(each.logic, 1, 1),
    "Div": _rule(each.division, 2, 2),
    "Pow": _rule(each.power, 2, 2),
    "Where": _rule(each.where, 3, 3),
    "Clip": _rule(each.clip, 1, 3),
    "Cast": _rule(each.cast, 1, 1, "to saturate", reads_sizes=True),
    "Identity": _rule(each.identity, 1, 1, reads_sizes=True),
    "MatMul": _rule(products.matmul, 2, 2),
    "Gemm": _rule(products.gemm, 2, 3, "alpha beta transA transB"),
    "ReduceMax": _rule(reductions.reduction("ReduceMax"), 1, 2, "axes keepdims noop_with_empty_axes"),
    "ReduceSum": _rule(reductions.reduction("ReduceSum"), 1, 2, "axes keepdims noop_with_empty_axes"),
    "Softmax": _rule(reductions.softmax, 1, 1, "axis"),
    "Shape": _rule(layout.shape_of, 1, 1, "start end"),
    "Reshape": _rule(layout.reshape, 2, 2, "allowzero", reads_sizes=True),
    "Flatten": _rule(layout.flatten, 1, 1, "axis"),
    "Expand": _rule(layout.expand, 2, 2, reads_sizes=True),
    "Squeeze": _rule(layout.squeeze, 1, 2, reads_sizes=True),
    "Unsqueeze": _rule(layout.unsqueeze, 2, 2, reads_sizes=True),
    "Transpose": _rule(layout.transpose, 1, 1, "perm"),
    "Concat": _rule(layout.concat, 1, MANY, "axis", reads_sizes=True),
    "Split": _rule(layout.split, 1, 2, "axis num_outputs"),
    "Slice": _rule(selection.slices, 3, 5, reads_sizes=True),
    "Gather": _rule(selection.gather, 2, 2, "axis", reads_sizes=True),
    "GatherElements": _rule(selection.gather_elements, 2, 2, "axis"),
    "Constant": _rule(each.constant, 0, 0, "value value_int value_ints value_float value_floats"),
}
# Matrix products of 8-bit integers, allowed in graphs of that precision only.
INT8_RULES: Final[Mapping[str, Rule]] = {
    **FLOAT_RULES,
    "QuantizeLinear": _rule(quantised.quantize, 2, 3, "axis saturate"),
    "DequantizeLinear": _rule(quantised.dequantize, 2, 3, "axis"),
    "MatMulInteger": _rule(products.integer_matmul, 2, 4),
}
INT8_GRAPHS: Final = frozenset({"forward.int8.onnx", "inverse.int8.onnx"})
OPERATORS: Final = frozenset(FLOAT_RULES)
INT8_OPERATORS: Final = frozenset(INT8_RULES)


def rules_of(name: str) -> Mapping[str, Rule]:
    """The rules of the operators that the graph in the file `name` may use."""
    return INT8_RULES if name in INT8_GRAPHS else FLOAT_RULES
