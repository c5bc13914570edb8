"""The engine of ONNX Runtime. A call uses one core: on small graphs parallel calls are faster than parallel kernels."""

import functools
from typing import Final

import numpy as np
import onnxruntime

from diffeo.bundle.manifest import FileName

from ..errors import EngineFailed, ProviderMissing
from .engine import Engine, Graphs, Tensors
from .io_binding import DTYPES, BoundEngine
from .options import EngineOptions, Provider

PROVIDERS: Final[dict[Provider, str]] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# TF32 rounds the numbers of a float32 product to 10 bits, about 1e-3 of each layer. ONNX Runtime uses it by default
# and a bundle is certified in float32.
PROVIDER_OPTIONS: Final[dict[str, dict[str, str]]] = {"CUDAExecutionProvider": {"use_tf32": "0"}}
PACKAGES: Final[dict[Provider, str]] = {"cpu": "onnxruntime", "cuda": "onnxruntime-gpu (pip install 'diffeo[cuda]')"}


class OnnxEngine:
    """One graph in one inference session on the CPU."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._outputs = [output.name for output in session.get_outputs()]
        self._dtypes = {value.name: DTYPES[value.type] for value in session.get_inputs()}

    def run(self, tensors: Tensors) -> Tensors:
        """Compute the graph on rows [rows, D]."""
        feeds = {name: np.ascontiguousarray(tensors[name], dtype=dtype) for name, dtype in self._dtypes.items()}
        try:
            return dict(zip(self._outputs, self._session.run(self._outputs, feeds), strict=True))
        except Exception as error:  # ONNX Runtime raises one class per status code; they have no common base
            raise EngineFailed(f"ONNX Runtime failed on {len(next(iter(feeds.values())))} rows: {error}") from error


def load(graphs: Graphs, options: EngineOptions) -> tuple[Engine, Engine]:
    """The forward and the inverse engine of a bundle's graphs.

    Raises:
        ProviderMissing: this machine or installation lacks the first execution provider.
        EngineFailed: a graph does not load.
    """
    forward: FileName = "forward.onnx"
    inverse: FileName = "inverse.onnx"
    return _open(forward, graphs, options), _open(inverse, graphs, options)


def _open(name: FileName, graphs: Graphs, options: EngineOptions) -> Engine:
    providers = [_provider(provider) for provider in options.execution_providers]
    session = open_session(name, graphs[name], providers, keeps_memory=options.keeps_memory)
    if options.execution_providers[0] == "cpu":
        return OnnxEngine(session)
    # One more call than threads: the event loop may compute a cheap batch itself.
    return BoundEngine(session, options.execution_providers[0], options.chunk_rows, options.threads + 1)


def open_session(
    name: str, content: bytes, providers: list[str], *, keeps_memory: bool = True
) -> onnxruntime.InferenceSession:
    """A session that computes one graph, each call on one core.

    Raises:
        ProviderMissing: the first provider is installed but does not start.
        EngineFailed: ONNX Runtime cannot load the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Errors only: ONNX Runtime writes its messages to stderr as plain text, between the JSON lines of the log.
    options.log_severity_level = 3
    if keeps_memory:
        # All sessions take their memory from one arena, so a loaded model that computes nothing holds its weights only.
        _create_shared_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
    else:
        options.enable_cpu_mem_arena = False
    try:
        settings = [PROVIDER_OPTIONS.get(provider, {}) for provider in providers]
        session = onnxruntime.InferenceSession(content, options, providers=providers, provider_options=settings)
    except Exception as error:  # one class per status code, as above
        raise EngineFailed(f"ONNX Runtime cannot load {name}: {error}") from error
    # If a device does not start, ONNX Runtime uses the CPU without an error.
    if session.get_providers()[0] != providers[0]:
        raise ProviderMissing(f"{providers[0]} did not start; its libraries or driver are missing on this machine")
    return session


@functools.cache
def _create_shared_arena() -> None:
    kinds = onnxruntime.OrtAllocatorType, onnxruntime.OrtMemType
    memory = onnxruntime.OrtMemoryInfo("Cpu", kinds[0].ORT_ARENA_ALLOCATOR, 0, kinds[1].DEFAULT)
    onnxruntime.create_and_register_allocator(memory, None)


def _provider(name: Provider) -> str:
    available = onnxruntime.get_available_providers()
    if PROVIDERS[name] not in available:
        installed = ", ".join(known for known, provider in PROVIDERS.items() if provider in available)
        raise ProviderMissing(f"execution provider {name} needs {PACKAGES[name]}; installed here: {installed}")
    return PROVIDERS[name]
