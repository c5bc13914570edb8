"""Runtimes behind one verb: tensors in, tensors out. A new runtime is one new entry in ENGINES."""

from collections.abc import Callable, Mapping
from typing import Final

from diffeo.service.settings import Settings

from .engine import Engine, Graphs

Load = Callable[[Graphs, Settings], tuple[Engine, Engine]]


def _onnx(graphs: Graphs, settings: Settings) -> tuple[Engine, Engine]:
    from . import onnx  # noqa: PLC0415  (only the chosen runtime is imported)

    return onnx.load(graphs, settings)


def _torchscript(graphs: Graphs, settings: Settings) -> tuple[Engine, Engine]:
    from . import torchscript  # noqa: PLC0415  (torch must stay out of a service that does not use it)

    return torchscript.load(graphs, settings)


ENGINES: Final[Mapping[str, Load]] = {"onnx": _onnx, "torchscript": _torchscript}
