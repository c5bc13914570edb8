"""ONNX Runtime, one core a call: parallel calls scale better than parallel kernels on graphs this small."""

from typing import Final

import numpy as np
import onnxruntime

from diffeo.bundle.manifest import FileName

from ..errors import EngineFailed, ProviderMissing
from .engine import Engine, Graphs, Tensors
from .io_binding import DTYPES, BoundEngine
from .options import EngineOptions, Provider

PROVIDERS: Final[dict[Provider, str]] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
INSTALL: Final[dict[Provider, str]] = {"cpu": "onnxruntime", "cuda": "onnxruntime-gpu (pip install 'diffeo[cuda]')"}


class OnnxEngine:
    """One graph in one inference session, on the processor."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._outputs = [output.name for output in session.get_outputs()]
        self._dtypes = {value.name: DTYPES[value.type] for value in session.get_inputs()}

    def run(self, tensors: Tensors) -> Tensors:
        """Compute the graph on rows [B, D]."""
        feeds = {name: np.ascontiguousarray(tensors[name], dtype=dtype) for name, dtype in self._dtypes.items()}
        try:
            return dict(zip(self._outputs, self._session.run(self._outputs, feeds), strict=True))
        except Exception as error:  # ONNX Runtime has a class per status code and no common base
            raise EngineFailed(f"ONNX Runtime failed on {len(next(iter(feeds.values())))} rows: {error}") from error


def load(graphs: Graphs, options: EngineOptions) -> tuple[Engine, Engine]:
    """The forward and the inverse engine of a bundle's graphs.

    Raises:
        ProviderMissing: an execution provider is asked for that this installation lacks.
        EngineFailed: a graph does not load.
    """
    forward: FileName = "forward.onnx"
    inverse: FileName = "inverse.onnx"
    return _engine(forward, graphs, options), _engine(inverse, graphs, options)


def _engine(name: FileName, graphs: Graphs, options: EngineOptions) -> Engine:
    session = open_session(name, graphs[name], [_provider(wanted) for wanted in options.execution_providers])
    if options.execution_providers[0] == "cpu":
        return OnnxEngine(session)
    # One slot more than threads: the loop may compute a cheap batch itself.
    return BoundEngine(session, options.execution_providers[0], options.chunk_rows, options.threads + 1)


def open_session(name: str, content: bytes, providers: list[str]) -> onnxruntime.InferenceSession:
    """A session that computes one graph, one core a call.

    Raises:
        ProviderMissing: the first provider is installed and does not start.
        EngineFailed: ONNX Runtime cannot load the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Errors only: the rest goes to stderr in a form of its own, between our JSON lines.
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # as above
        raise EngineFailed(f"ONNX Runtime refused {name}: {error}") from error
    # ONNX Runtime falls back to the CPU in silence when a device is listed but does not start.
    if session.get_providers()[0] != providers[0]:
        raise ProviderMissing(f"{providers[0]} did not start; its libraries or driver are missing on this machine")
    return session


def _provider(name: Provider) -> str:
    available = onnxruntime.get_available_providers()
    if PROVIDERS[name] not in available:
        here = ", ".join(known for known, provider in PROVIDERS.items() if provider in available)
        raise ProviderMissing(f"execution provider {name} needs {INSTALL[name]}; here there is: {here}")
    return PROVIDERS[name]
