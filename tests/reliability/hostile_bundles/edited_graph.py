"""Edits the graph of a bundle as an attacker would: nodes after the others, whose result becomes log_prob."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[np.generic]
Constants = Mapping[str, Array]
Edit = Callable[[onnx.ModelProto], object]


@dataclass(frozen=True, slots=True)
class Case:
    """One bundle: a name, the edit of its forward graph, and words that the refusal must hold."""

    name: str
    edit: Edit
    words: str = ""


def ints(*numbers: int) -> npt.NDArray[np.generic]:
    return np.array(numbers, np.int64)


def floats(*numbers: float) -> npt.NDArray[np.generic]:
    return np.array(numbers, np.float32)


# Constants that the nodes of every case may read by name.
SHARED: dict[str, Array] = {
    "i0": ints(0), "i1": ints(1), "i2": ints(2), "i_last": ints(-1), "i_minus_2": ints(-2), "i_all": ints(2**63 - 1),
    "i_minus_all": ints(-(2**63)),
    "i01": ints(0, 1), "s0": np.array(0, np.int64), "s1": np.array(1, np.int64), "s32": np.array(32, np.int64),
    "f0": np.array(0, np.float32), "f1": np.array(1, np.float32), "f_half": np.array(0.5, np.float32),
    "v1": floats(1), "m2": np.eye(2, dtype=np.float32), "big": np.array(1e6, np.float32),
    "position": np.arange(64, dtype=np.float32).reshape(32, 2), "column": np.arange(32, dtype=np.float32),
    "m21": ints(-1, 2), "m1": ints(-1), "i1m": ints(1, -1), "i2m": ints(2, -1), "im1": ints(-1, 1), "im4": ints(-1, 4),
    "i4m": ints(4, -1), "rows32": ints(32, 2), "table": np.ones(1000, np.float32), "i02": ints(0, 2), "i20": ints(2, 0),
    "wide": ints(1, 2**20), "none": ints(), "i_32_bits": ints(2**31 - 1), "i_minus_5": ints(-5),
}  # fmt: skip


def node(operator: str, inputs: str, output: str, **attributes: int | list[int]) -> onnx.NodeProto:
    """One node; inputs and outputs are names with spaces between them."""
    names = ["" if name == "-" else name for name in inputs.split()]
    part = helper.make_node(operator, names, output.split())
    part.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
    return part


def add(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto], constants: Constants | None = None) -> None:
    """Append nodes, and the constants that they read."""
    nodes = list(nodes)
    model.graph.node.extend(nodes)
    have = {tensor.name for tensor in model.graph.initializer}
    for name, values in {**SHARED, **(constants or {})}.items():
        if name not in have and any(name in part.input for part in nodes):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Give a tensor inside the graph another name."""
    for part in model.graph.node:
        for names in (part.input, part.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new


def live(nodes: Sequence[onnx.NodeProto], constants: Constants | None = None, output: str = "log_prob") -> Edit:
    """The edit that adds `extra`, which the nodes compute from x and lp (the true answer), to one output."""

    def edit(model: onnx.ModelProto) -> None:
        rename(model, output, "lp")
        add(model, [*nodes, node("Add", "lp extra", output)], constants)

    return edit


def silent(nodes: Sequence[onnx.NodeProto], constants: Constants | None = None) -> Edit:
    """As `live`, but `extra` is multiplied by zero: the golden vectors do not show it."""
    return live([*nodes[:-1], _renamed(nodes[-1]), node("Mul", "loud f0", "extra")], constants)


def _renamed(last: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(last)
    copy.output[0] = "loud"
    return copy
