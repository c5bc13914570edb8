"""Follows the batch axis through a graph, node by node, and bounds its tensors.

Every tensor is a constant, holds one part for each row, or holds sizes such as the number of rows. The rule of an
operator derives its outputs, or refuses. So a graph that passes computes each row from that row alone, for every
batch, and its memory grows with the number of rows by a known figure.

Reference: abstract interpretation, Cousot and Cousot (1977), doi:10.1145/512950.512973.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import GraphRefused
from . import limits
from .content import Content, Node
from .rules.rule import Call, Rule
from .value import Unprovable, Value


@dataclass(slots=True)
class Totals:
    """Sums over the tensors that are derived so far; each has a limit.

    Attributes:
        row_bytes: of all tensors of one row.
        constant_bytes: of the constants that are computed from constants.
        integers: known to the rules one by one.
    """

    row_bytes: int = 0
    constant_bytes: int = 0
    integers: int = 0

    def add(self, said: str, value: Value) -> None:
        """Add one tensor.

        Raises:
            GraphRefused: a limit is exceeded.
        """
        self.integers += len(value.content or ())
        if self.integers > limits.MAX_ALL_KNOWN_INTEGERS:
            raise GraphRefused(
                f"{said} is refused: the graph computes shapes and other known integers without end; "
                f"at most {limits.MAX_ALL_KNOWN_INTEGERS}"
            )
        if value.axis is None:
            self.constant_bytes += value.bytes
            if self.constant_bytes > limits.MAX_COMPUTED_BYTES:
                raise GraphRefused(
                    f"{said} is refused: the graph computes {self.constant_bytes} bytes of constants up to it; "
                    f"at most {limits.MAX_COMPUTED_BYTES}"
                )
        else:
            self.row_bytes += value.bytes
            if self.row_bytes > limits.MAX_ALL_ROW_BYTES:
                raise GraphRefused(
                    f"{said} is refused: all tensors up to it take {self.row_bytes} bytes for each row of a batch; "
                    f"at most {limits.MAX_ALL_ROW_BYTES}, because a runtime may keep them at the same time"
                )


@dataclass(frozen=True, slots=True)
class Cost:
    """The memory of a graph beside its weights.

    Attributes:
        row_bytes: most bytes of the tensors of one row that are needed at the same time, in the order of the nodes.
        constant_bytes: bytes of the constants that are computed from constants.
    """

    row_bytes: int
    constant_bytes: int


def analyse(file: str, content: Content, given: Mapping[str, Value], rules: Mapping[str, Rule]) -> dict[str, Value]:
    """Every tensor of the graph by name.

    Args:
        file: name of the file, for errors.
        content: the graph.
        given: the values of its inputs.
        rules: of the operators.

    Raises:
        GraphRefused: the rule of a node cannot prove that rows stay apart, or a limit is exceeded.
    """
    values: dict[str, Value] = {**content.constants, **given}
    if len(values) != len(content.constants) + len(given):
        raise GraphRefused(f"{file} has an input and a weight of one name")
    depths = dict.fromkeys(values, 0)
    totals = Totals()
    for node in content.nodes:
        said = f"{file}: the node {ascii(node.name)[:64]} ({node.operator})"
        rule = rules[node.operator]
        inputs = [_input(said, name, values) for name in node.inputs]
        _check_outputs(said, node, values)
        outputs = _derive(said, rule, node, inputs, content.opset)
        depth = 1 + max((depths[name] for name in node.inputs if name), default=0)
        if depth > limits.MAX_DEPTH:
            raise GraphRefused(f"{said} is deeper than {limits.MAX_DEPTH} nodes")
        for name, value in zip(node.outputs, outputs, strict=True):
            totals.add(said, value)
            values[name], depths[name] = value, depth
    return values


def cost(file: str, content: Content, values: Mapping[str, Value]) -> Cost:
    """The memory of an analysed graph.

    Raises:
        GraphRefused: it exceeds a limit.
    """
    outputs = {port.name for port in content.outputs}
    last = {name: index for index, node in enumerate(content.nodes) for name in (*node.outputs, *node.inputs)}
    ends: dict[int, list[str]] = {}
    for name, index in last.items():
        ends.setdefault(index, []).append(name)
    held = sum(values[port.name].bytes for port in content.inputs if port.name in values)
    peak, computed = held, 0
    for index, node in enumerate(content.nodes):
        for name in node.outputs:
            if values[name].axis is None:
                computed += values[name].bytes
            else:
                held += values[name].bytes
        peak = max(peak, held)
        held -= sum(_row_bytes(values, name) for name in ends.get(index, ()) if name not in outputs)
    if peak > limits.MAX_ROW_BYTES:
        raise GraphRefused(f"{file} needs {peak} bytes for each row of a batch; at most {limits.MAX_ROW_BYTES}")
    return Cost(peak, computed)


def _cut(reason: str) -> str:
    # A reason lists shapes, and a hostile graph can ask for one of thousands of sizes.
    return reason if len(reason) <= limits.MAX_REASON else f"{reason[: limits.MAX_REASON]} ..."


def _row_bytes(values: Mapping[str, Value], name: str) -> int:
    value = values.get(name)
    return value.bytes if value is not None and value.axis is not None else 0


def _input(said: str, name: str, values: Mapping[str, Value]) -> Value | None:
    if name and name not in values:
        raise GraphRefused(f"{said} reads {ascii(name)[:64]}, which no earlier node computes")
    return values[name] if name else None


def _check_outputs(said: str, node: Node, values: Iterable[str]) -> None:
    if not node.outputs or "" in node.outputs or len(set(node.outputs)) != len(node.outputs):
        raise GraphRefused(f"{said} has no output, or two of one name")
    for name in node.outputs:
        if name in values:
            raise GraphRefused(f"{said} computes {ascii(name)[:64]}, which exists already")


def _derive(said: str, rule: Rule, node: Node, inputs: list[Value | None], opset: int) -> tuple[Value, ...]:
    least, most = rule.inputs
    if not least <= len(inputs) <= most:
        raise GraphRefused(f"{said} has {len(inputs)} inputs; expected {least} to {most}")
    unknown = node.attributes.keys() - rule.attributes
    if unknown:
        raise GraphRefused(f"{said} has the attribute {ascii(min(unknown))[:64]}, which is not allowed")
    if not rule.reads_sizes and any(value is not None and value.tells_rows for value in inputs):
        raise GraphRefused(f"{said} is refused: it makes a number of the number of rows")
    try:
        derived = rule.derive(Call(tuple(inputs), node.attributes, opset, len(node.outputs)))
    except Unprovable as reason:
        raise GraphRefused(f"{said} is refused: {_cut(str(reason))}") from None
    outputs = derived if isinstance(derived, tuple) else (derived,)
    if len(outputs) != len(node.outputs):
        raise GraphRefused(f"{said} has {len(node.outputs)} outputs; expected {len(outputs)}")
    return outputs
