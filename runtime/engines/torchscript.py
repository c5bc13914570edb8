"""The engine of TorchScript. No other file of the runtime or the service imports torch."""

import io

import numpy as np
import torch

from ..errors import EngineFailed, ProviderMissing
from .engine import Engine, Graphs, Tensors
from .options import EngineOptions

# torch multiplies the last rows of a batch by another routine than full groups of rows, and the last bits differ. Rows
# are padded to full groups, so a row has the same bits in every batch. Processors with AVX-512 need groups of 16.
GROUP_ROWS = 64
# The graph returns a tuple in this order, by the name of its input.
OUTPUTS = {
    "x": ("z", "log_abs_det_jacobian", "log_prob"),
    "z": ("x", "log_abs_det_jacobian", "log_prob"),
}


class TorchScriptEngine:
    """One traced graph on one device."""

    def __init__(self, content: bytes, source: str, device: torch.device) -> None:
        try:
            self._graph = torch.jit.load(io.BytesIO(content), map_location=device)  # type: ignore[no-untyped-call]  # torch does not annotate load
        except RuntimeError as error:
            raise EngineFailed(f"TorchScript cannot load the graph of {source}: {error}") from error
        self._source = source
        self._device = device

    def run(self, tensors: Tensors) -> Tensors:
        """Compute the graph on rows [rows, D]."""
        rows = tensors[self._source]
        count = len(rows)
        # A copy: rows may be a read-only view of a request body, and torch needs writable memory.
        padded = torch.tensor(np.pad(rows, ((0, -count % GROUP_ROWS), (0, 0))), device=self._device)
        try:
            with torch.inference_mode():
                outputs = self._graph(padded)
            names = OUTPUTS[self._source]
            return {name: tensor[:count].cpu().numpy() for name, tensor in zip(names, outputs, strict=True)}
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(f"TorchScript failed on {count} rows: {error}") from error


def load(graphs: Graphs, options: EngineOptions) -> tuple[Engine, Engine]:
    """The forward and the inverse engine of a bundle's TorchScript graphs.

    Raises:
        EngineFailed: the bundle has no TorchScript graphs, or one does not load.
        ProviderMissing: the options name cuda, and torch finds no CUDA device.
    """
    if "forward.ts" not in graphs:
        raise EngineFailed(
            "the bundle has no TorchScript graphs; fit it with --torchscript or serve it with engine onnx"
        )
    wants_cuda = options.execution_providers[0] == "cuda"
    if wants_cuda and not torch.cuda.is_available():
        raise ProviderMissing("execution provider cuda: torch finds no CUDA device on this machine")
    device = torch.device("cuda" if wants_cuda else "cpu")
    # Calls already run in parallel, one core each.
    torch.set_num_threads(1)
    forward = TorchScriptEngine(graphs["forward.ts"], "x", device)
    return forward, TorchScriptEngine(graphs["inverse.ts"], "z", device)
