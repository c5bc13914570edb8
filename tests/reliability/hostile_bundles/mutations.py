"""Random changes of bundles: of any byte, without a new seal; and of graphs and golden vectors, sealed again."""

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from .sealing import Files, sealed

GRAPHS: Final = ("forward.onnx", "inverse.onnx")


@dataclass(frozen=True, slots=True)
class Mutation:
    """One changed bundle and a description of the change."""

    about: str
    files: Files


def unsealed(files: Files, generator: random.Random) -> tuple[str, bytes]:
    """The name of a file, and its content with a flipped byte, or cut off."""
    name = generator.choice(sorted(files))
    content = bytearray(files[name])
    place = generator.randrange(len(content))
    if generator.random() < 0.2:
        return name, bytes(content[:place])
    content[place] ^= generator.randrange(1, 256)
    return name, bytes(content)


def resealed(files: Files, generator: random.Random) -> Mutation:
    """The bundle with one file changed in one of several ways, and a seal that fits."""
    change = generator.choice(CHANGES)
    about, changed = change(files, generator)
    return Mutation(about, sealed({**files, **changed}))


def _byte(files: Files, generator: random.Random) -> tuple[str, Files]:
    name = generator.choice([*GRAPHS, "golden.npy"])
    content = bytearray(files[name])
    place = generator.randrange(len(content))
    content[place] ^= 1 << generator.randrange(8)
    return f"bit of byte {place} of {name}", {name: bytes(content)}


def _slice(files: Files, generator: random.Random) -> tuple[str, Files]:
    name = generator.choice(GRAPHS)
    content = files[name]
    start, end = sorted(generator.randrange(len(content)) for _ in range(2))
    end = min(end, start + 64)
    return f"bytes {start} to {end} of {name} removed", {name: content[:start] + content[end:]}


def _weight(files: Files, generator: random.Random) -> tuple[str, Files]:
    name = generator.choice(GRAPHS)
    model = onnx.load_from_string(files[name])
    tensors = [
        tensor for tensor in model.graph.initializer if tensor.data_type in {TensorProto.FLOAT, TensorProto.DOUBLE}
    ]
    tensor = generator.choice(tensors)
    values = numpy_helper.to_array(tensor).copy()
    place = tuple(generator.randrange(size) for size in values.shape)
    values[place] = generator.choice([0.0, -values[place], values[place] * 2, values[place] + 0.1, 1e30])
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return f"{tensor.name}{list(place)} of {name} is {values[place]:.3g}", {name: model.SerializeToString()}


def _operator(files: Files, generator: random.Random) -> tuple[str, Files]:
    name = generator.choice(GRAPHS)
    model = onnx.load_from_string(files[name])
    node = generator.choice(model.graph.node)
    before, node.op_type = node.op_type, generator.choice(["Exp", "Neg", "Identity", "Add", "Mul", "Sub", "Max", "Abs"])
    return f"{before} {node.output[0]} of {name} is {node.op_type}", {name: model.SerializeToString()}


def _wire(files: Files, generator: random.Random) -> tuple[str, Files]:
    name = generator.choice(GRAPHS)
    model = onnx.load_from_string(files[name])
    index = generator.randrange(1, len(model.graph.node))
    node = model.graph.node[index]
    earlier = [output for part in model.graph.node[:index] for output in part.output]
    place = generator.randrange(len(node.input))
    node.input[place] = generator.choice(earlier)
    return f"input {place} of {node.output[0]} of {name} is {node.input[place]}", {name: model.SerializeToString()}


def _attribute(files: Files, generator: random.Random) -> tuple[str, Files]:
    name = generator.choice(GRAPHS)
    model = onnx.load_from_string(files[name])
    attribute = generator.choice([part for node in model.graph.node for part in node.attribute])
    attribute.i = generator.choice([-2, -1, 0, 1, 2, 3])
    return f"attribute {attribute.name} of {name} is {attribute.i}", {name: model.SerializeToString()}


def _golden(files: Files, generator: random.Random) -> tuple[str, Files]:
    content = bytearray(files["golden.npy"])
    place = 128 + 8 * generator.randrange((len(content) - 128) // 8)
    (number,) = struct.unpack_from("<d", content, place)
    struct.pack_into("<d", content, place, number + generator.choice([1e-4, 0.01, 1.0, -number, np.inf]))
    return f"golden number at byte {place}", {"golden.npy": bytes(content)}


CHANGES: Final[tuple[Callable[[Files, random.Random], tuple[str, Files]], ...]] = (
    _byte, _byte, _slice, _weight, _weight, _operator, _wire, _attribute, _golden,
)  # fmt: skip
