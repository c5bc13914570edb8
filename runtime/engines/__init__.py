"""The engines by name. A new engine is one new entry in ENGINES."""

from collections.abc import Callable, Mapping
from typing import Final

from .engine import Engine, Graphs
from .options import EngineOptions

Load = Callable[[Graphs, EngineOptions], tuple[Engine, Engine]]


def _onnx(graphs: Graphs, options: EngineOptions) -> tuple[Engine, Engine]:
    from . import onnx  # noqa: PLC0415  (only the chosen engine is imported)

    return onnx.load(graphs, options)


def _torchscript(graphs: Graphs, options: EngineOptions) -> tuple[Engine, Engine]:
    from . import torchscript  # noqa: PLC0415  (torch must not be loaded unless this engine is used)

    return torchscript.load(graphs, options)


# Each function loads the forward and the inverse engine of a bundle's graphs.
ENGINES: Final[Mapping[str, Load]] = {"onnx": _onnx, "torchscript": _torchscript}
