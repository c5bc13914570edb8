"""Reads the bytes of an ONNX file into its nodes, constants, inputs and outputs, all frozen.

Everything that a flat graph does not need is refused here: functions, nested graphs, sparse tensors, data in other
files, fields that we do not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import GraphRefused
from . import limits, messages, tensor
from .messages import Message
from .value import ROWS, Shape, Size, Value

DOMAINS: Final = frozenset({"", "ai.onnx"})

# The field of an attribute that holds its value, by the type that the attribute states.
FLOAT, INTEGER, TEXT, TENSOR, FLOATS, INTEGERS = 1, 2, 3, 4, 6, 7
FIELDS: Final = {FLOAT: 2, INTEGER: 3, TEXT: 4, TENSOR: 5, FLOATS: 7, INTEGERS: 8}

Attribute = int | float | bytes | tuple[int, ...] | tuple[float, ...] | Value


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a graph.

    Attributes:
        name: its name, for errors.
        operator: name of its operator.
        inputs: names of its inputs; "" for one that is left out.
        outputs: names of its outputs.
        attributes: its attributes by name.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output that a graph declares; the shape holds the text of a symbolic size as ROWS."""

    name: str
    element: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a graph."""

    opset: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, Value]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def read(file: str, content: bytes) -> Content:
    """The content of the file.

    Raises:
        GraphRefused: the first problem found.
    """
    model = messages.read(file, memoryview(content), messages.MODEL)
    if model.has(25):
        raise GraphRefused(f"{file} defines functions; expected one flat list of operators")
    if not model.has(7):
        raise GraphRefused(f"{file} holds 0 graphs; expected 1")
    if model.integer(1) not in limits.IR_VERSIONS:
        raise GraphRefused(f"{file} has IR version {model.integer(1)}; expected {_range(limits.IR_VERSIONS)}")
    _check_entries(file, model, 14)
    graph = messages.read(file, model.parts[7][0], messages.GRAPH)
    if graph.has(15):
        raise GraphRefused(f"{file} holds sparse weights; expected dense ones")
    _check_entries(file, graph, 16)
    for value in graph.parts.get(13, ()):
        _port(file, value)
    return Content(
        _opset(file, model),
        _nodes(file, graph),
        _constants(file, graph),
        tuple(_port(file, value) for value in graph.parts.get(11, ())),
        tuple(_port(file, value) for value in graph.parts.get(12, ())),
    )


def weights(file: str, content: bytes) -> dict[str, npt.NDArray[np.floating]]:
    """The weights of float32 and float64 by name.

    Raises:
        GraphRefused: the first problem found.
    """
    model = messages.read(file, memoryview(content), messages.MODEL)
    graph = messages.read(file, model.parts[7][0], messages.GRAPH)
    found = (tensor.read_floats(file, part) for part in graph.parts.get(5, ()))
    return {name: numbers for name, numbers in found if numbers is not None}


def _range(numbers: range) -> str:
    return f"{numbers[0]} to {numbers[-1]}"


def _check_entries(file: str, message: Message, number: int) -> None:
    for entry in message.parts.get(number, ()):
        messages.read(file, entry, messages.ENTRY)


def _opset(file: str, model: Message) -> int:
    imports = [messages.read(file, part, messages.OPSET) for part in model.parts.get(8, ())]
    versions = [part.integer(2) for part in imports if part.text(1) in DOMAINS]
    if len(versions) != 1 or versions[0] not in limits.OPSETS:
        listed = ", ".join(map(str, versions[:8])) or "none"
        raise GraphRefused(f"{file} uses operator set {listed}; expected one of {_range(limits.OPSETS)}")
    return versions[0]


def _constants(file: str, graph: Message) -> dict[str, Value]:
    constants: dict[str, Value] = {}
    integers = 0
    for part in graph.parts.get(5, ()):
        weight = tensor.read(file, part)
        if not weight.name or weight.name in constants:
            raise GraphRefused(f"{file} holds two weights named {ascii(weight.name)[:64]}; expected distinct names")
        constants[weight.name] = weight.value
        integers += len(weight.value.content or ())
        _check_known(file, integers)
    return constants


def _check_known(file: str, integers: int) -> None:
    if integers > limits.MAX_ALL_KNOWN_INTEGERS:
        raise GraphRefused(
            f"{file} holds more than {limits.MAX_ALL_KNOWN_INTEGERS} integers in lists of at most "
            f"{limits.MAX_KNOWN_INTEGERS}; no flow has so many shapes"
        )


def _nodes(file: str, graph: Message) -> tuple[Node, ...]:
    parts = graph.parts.get(1, ())
    if len(parts) > limits.MAX_NODES:
        raise GraphRefused(f"{file} has more than {limits.MAX_NODES} nodes")
    nodes: list[Node] = []
    values = integers = 0
    for part in parts:
        node = _node(file, part)
        nodes.append(node)
        values += len(node.inputs) + len(node.outputs)
        if values > limits.MAX_ALL_NODE_VALUES:
            raise GraphRefused(f"{file}: its nodes have more than {limits.MAX_ALL_NODE_VALUES} inputs and outputs")
        integers += sum(_integers(value) for value in node.attributes.values())
        _check_known(file, integers)
    return tuple(nodes)


def _integers(value: Attribute) -> int:
    if isinstance(value, Value):
        return len(value.content or ())
    return len(value) if isinstance(value, tuple) else 0


def _node(file: str, part: memoryview) -> Node:
    node = messages.read(file, part, messages.NODE)
    operator, domain = node.text(4), node.text(7)
    if domain not in DOMAINS or node.text(8):
        raise GraphRefused(
            f"{file} uses the operator {ascii(operator)[:64]}, which is not allowed in the graph of a flow"
        )
    _check_entries(file, node, 9)
    inputs, outputs = node.texts.get(1, ()), node.texts.get(2, ())
    name = node.text(3) or next(iter(outputs), "")
    if max(len(inputs), len(outputs)) > limits.MAX_NODE_VALUES:
        raise GraphRefused(f"{file}: the node {ascii(name)[:64]} has more than {limits.MAX_NODE_VALUES} values")
    return Node(name, operator, tuple(inputs), tuple(outputs), _attributes(file, name, node))


def _attributes(file: str, name: str, node: Message) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {}
    parts = node.parts.get(5, ())
    if len(parts) > limits.MAX_ATTRIBUTES:
        raise GraphRefused(f"{file}: the node {ascii(name)[:64]} has more than {limits.MAX_ATTRIBUTES} attributes")
    for part in parts:
        message = messages.read(file, part, messages.ATTRIBUTE)
        if any(message.has(number) for number in (6, 11, 22, 23)):
            raise GraphRefused(f"{file} nests a graph or a sparse tensor in an attribute; expected a flat graph")
        key = message.text(1)
        if key in attributes:
            raise GraphRefused(f"{file}: the node {ascii(name)[:64]} has two attributes named {ascii(key)[:64]}")
        attributes[key] = _attribute(file, key, message)
    return attributes


def _attribute(file: str, key: str, message: Message) -> Attribute:
    stated = message.integer(20)
    present = {number for number in (2, 3, 4, 5, 7, 8, 10) if message.has(number)}
    # A number that is zero and an empty list may be left out.
    if stated not in FIELDS or not present <= {FIELDS[stated]}:
        raise GraphRefused(f"{file}: the attribute {ascii(key)[:64]} holds another type than it states")
    if stated == TENSOR and present:
        return tensor.read(file, message.parts[5][0]).value
    if stated == TEXT:
        return bytes(message.parts.get(4, (memoryview(b""),))[0][: limits.MAX_NAME_BYTES])
    result: Attribute
    if stated == INTEGER:
        return message.integer(3)
    if stated == FLOAT:
        return message.floats.get(2, (0.0,))[0]
    result = tuple(message.integers.get(8, ())) if stated == INTEGERS else tuple(message.floats.get(7, ()))
    if stated == TENSOR or len(result) > limits.MAX_ATTRIBUTE_ITEMS:
        raise GraphRefused(f"{file}: the attribute {ascii(key)[:64]} is empty or too long")
    return result


def _port(file: str, part: memoryview) -> Port:
    value = messages.read(file, part, messages.VALUE)
    _check_entries(file, value, 4)
    element = 0
    shape: Shape = ()
    for kind in value.parts.get(2, ()):
        for found in messages.read(file, kind, messages.TYPE).parts.get(1, ()):
            element, shape = _tensor_type(file, found)
    return Port(value.text(1), element, shape)


def _tensor_type(file: str, part: memoryview) -> tuple[int, Shape]:
    kind = messages.read(file, part, messages.TENSOR_TYPE)
    shape: list[Size] = []
    for found in kind.parts.get(2, ()):
        for part_of_shape in messages.read(file, found, messages.SHAPE).parts.get(1, ()):
            size = messages.read(file, part_of_shape, messages.DIMENSION)
            shape.append(ROWS if size.text(2) else size.integer(1))
    return kind.integer(1), tuple(shape)
