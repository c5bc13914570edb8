"""Checks the content of an ONNX file before a runtime loads it.

The graph of a flow is one flat list of deterministic operators, with its weights inside, and it computes each row from
that row alone. So a graph cannot draw random numbers, read another file, run custom code, recurse, tell one client's
row to another, or take more memory than its bound.
"""

from collections.abc import Sequence
from typing import Final

from ..errors import GraphRefused
from ..manifest import Dtype
from . import content as graph_content
from .analysis import Cost, analyse, cost
from .content import Content, Port
from .operators import rules_of
from .value import FLOAT32, FLOAT64, ROWS, Shape, Value

ELEMENT: Final = {FLOAT32: "float32", FLOAT64: "float64"}
NUMBER: Final = {"float32": FLOAT32, "float64": FLOAT64}
OUTPUTS: Final = {
    "forward": ("z", "log_abs_det_jacobian", "log_prob"),
    "inverse": ("x", "log_abs_det_jacobian", "log_prob"),
}
INPUT: Final = {"forward": "x", "inverse": "z"}


def inspect(name: str, content: bytes, dimension: int, dtype: Dtype) -> Cost:
    """Check one graph: signature, operators, self-contained weights, rows that stay apart, bounded memory.

    Args:
        name: name of the file; the part before the first dot is the direction.
        content: the bytes of the file.
        dimension: D of the manifest.
        dtype: type of x; z and the two vectors are always float32.

    Returns:
        The memory that the graph takes beside its weights.

    Raises:
        GraphRefused: the first problem found.
    """
    graph = graph_content.read(name, content)
    _check_operators(name, graph)
    inputs, outputs = _check_signature(name, graph, dimension, dtype)
    given = {port.name: Value(port.element, port.shape) for port in inputs}
    values = analyse(name, graph, given, rules_of(name))
    for port in outputs:
        computed = values.get(port.name)
        if computed is None or (computed.element, computed.shape) != (port.element, port.shape):
            got = "nothing" if computed is None else f"the shape {list(computed.shape)}"
            raise GraphRefused(f"{name} computes {got} as {port.name}; expected {list(port.shape)}")
    return cost(name, graph, values)


def _check_operators(name: str, graph: Content) -> None:
    allowed = rules_of(name)
    for node in graph.nodes:
        if node.operator not in allowed:
            raise GraphRefused(
                f"{name} uses the operator {ascii(node.operator)[:64]}, which is not allowed in the graph of a flow"
            )


def _check_signature(name: str, graph: Content, dimension: int, dtype: Dtype) -> tuple[list[Port], list[Port]]:
    rows: dict[str, tuple[int, Shape]] = {
        "x": (NUMBER[dtype], (ROWS, dimension)),
        "z": (FLOAT32, (ROWS, dimension)),
    }
    direction = name.partition(".")[0]
    expected_inputs = [Port(INPUT[direction], *rows[INPUT[direction]])]
    expected_outputs = [Port(output, *rows.get(output, (FLOAT32, (ROWS,)))) for output in OUTPUTS[direction]]
    # Old exporters list weights among the inputs, but a caller does not pass weights.
    inputs = [port for port in graph.inputs if port.name not in graph.constants]
    if inputs != expected_inputs:
        raise GraphRefused(f"{name} takes {_describe(inputs)}; expected {_describe(expected_inputs)}")
    if list(graph.outputs) != expected_outputs:
        raise GraphRefused(f"{name} returns {_describe(graph.outputs)}; expected {_describe(expected_outputs)}")
    return inputs, expected_outputs


def _describe(ports: Sequence[Port]) -> str:
    parts = [
        f"{ascii(port.name)[1:-1][:64]} {ELEMENT.get(port.element, 'another type')} {_sizes(port)}"
        for port in ports[:8]
    ]
    return ", ".join(parts) or "nothing"


def _sizes(port: Port) -> str:
    return str(["*" if size is ROWS else size for size in port.shape])
