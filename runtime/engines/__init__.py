"""Runtimes behind one verb: tensors in, tensors out. A new runtime is one new entry in ENGINES."""

from collections.abc import Callable, Mapping
from typing import Final

from .engine import Engine, Graphs
from .options import EngineOptions

Load = Callable[[Graphs, EngineOptions], tuple[Engine, Engine]]


def _onnx(graphs: Graphs, options: EngineOptions) -> tuple[Engine, Engine]:
    from . import onnx  # noqa: PLC0415  (only the chosen runtime is imported)

    return onnx.load(graphs, options)


def _torchscript(graphs: Graphs, options: EngineOptions) -> tuple[Engine, Engine]:
    from . import torchscript  # noqa: PLC0415  (torch must stay out of a service that does not use it)

    return torchscript.load(graphs, options)


ENGINES: Final[Mapping[str, Load]] = {"onnx": _onnx, "torchscript": _torchscript}
