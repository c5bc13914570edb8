"""Graphs whose operators are all legal, and which compute another density than the certificate says."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from .edited_graph import Case, Constants, Edit, live, node, rename


def cases() -> Iterator[Case]:
    """Every case of this file."""
    for column in (0, 1):
        for threshold in (-3.0, -1.0, 0.5, 1.3):
            for nats in (5.0, 0.1):
                yield Case(f"{nats} nats more where x{column} > {threshold}", _far(column, threshold, nats))
        for threshold in (1.3, 4.0, 6.0, 20.0):
            yield Case(f"log_prob of zero where x{column} > {threshold}", _certain(column, threshold))
    for output in ("log_prob", "log_abs_det_jacobian"):
        for nats in (0.5, -0.01, 1e30, np.inf, np.nan):
            yield Case(f"{nats} more in {output}", _shifted(output, nats))
    yield Case("z twice as large", _scaled("z", 2.0))
    yield Case("z turned around", _scaled("z", -1.0))
    yield Case("z a little larger", _scaled("z", 1.05))
    yield Case("log_prob halved", _scaled("log_prob", 0.5))
    for name in range(3):
        yield Case(f"weight {name} a tenth larger", _heavier(name))


def _far(column: int, threshold: float, nats: float) -> Edit:
    constants: Constants = {
        "c": np.array(column, np.int64),
        "t": np.array(threshold, np.float32),
        "n": np.array(nats, np.float32),
    }
    taken = node("Gather", "x c", "xc", axis=1), node("Greater", "xc t", "q")
    return live([*taken, node("Cast", "q", "p", to=TensorProto.FLOAT), node("Mul", "p n", "extra")], constants)


def _certain(column: int, threshold: float) -> Edit:
    constants: Constants = {"c": np.array(column, np.int64), "t": np.array(threshold, np.float32)}
    taken = node("Gather", "x c", "xc", axis=1), node("Greater", "xc t", "q"), node("Neg", "lp", "minus")
    return live([*taken, node("Where", "q minus f0", "extra")], constants)


def _shifted(output: str, nats: float) -> Edit:
    return live([node("Identity", "by", "extra")], {"by": np.array(nats, np.float32)}, output)


def _scaled(output: str, factor: float) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        rename(model, output, "true")
        model.graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
        model.graph.node.append(node("Mul", "true factor", output))

    return edit


def _heavier(index: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        floats = [tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT]
        tensor = floats[index % len(floats)]
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array((values * 1.1 + 0.1).astype(values.dtype), tensor.name))

    return edit
