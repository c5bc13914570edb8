"""The engine of ONNX Runtime on a GPU: each batch is copied to the device once and its result is copied back once.

Batches are padded to fixed bucket sizes. Each bucket has buffers on the device and a binding of the graph to them. Both
are created and run once when the model is loaded, so no request waits for an allocation or a slow first run.

Reference: ONNX Runtime, Performance, I/O Binding.
"""

from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from ..errors import EngineFailed
from .engine import Tensors

Rows = npt.NDArray[np.floating]

SMALLEST_BUCKET: Final = 16
# Each bucket is four times the size of the next smaller one, so at most three quarters of a batch are padding.
GROWTH: Final = 4
DTYPES: Final[dict[str, type[np.floating]]] = {"tensor(float)": np.float32, "tensor(double)": np.float64}


@dataclass(frozen=True, slots=True)
class _Buffers:
    """Memory for one batch: rows on the host, rows and outputs on the device, and the binding of the graph to them."""

    host: Rows
    source: onnxruntime.OrtValue
    outputs: dict[str, onnxruntime.OrtValue]
    binding: onnxruntime.IOBinding


class BoundEngine:
    """One graph in one inference session, bound to buffers on a device.

    Args:
        session: the loaded graph.
        device: name of the device in ONNX Runtime.
        largest: most rows of one batch.
        parallel: batches on the device at the same time; one is copied while another is computed.
    """

    def __init__(self, session: onnxruntime.InferenceSession, device: str, largest: int, parallel: int) -> None:
        self._session = session
        self._device = device
        (self._input,) = session.get_inputs()
        self._free: dict[int, SimpleQueue[_Buffers]] = {}
        for size in bucket_sizes(largest):
            self._free[size] = SimpleQueue()
            for _ in range(parallel):
                buffers = self._allocate(size)
                session.run_with_iobinding(buffers.binding)
                self._free[size].put(buffers)

    def run(self, tensors: Tensors) -> Tensors:
        """Compute the graph on rows [rows, D], at most as many as the largest bucket holds."""
        rows = tensors[self._input.name]
        count = len(rows)
        free = self._free[next(size for size in self._free if size >= count)]
        buffers = free.get()
        try:
            buffers.host[:count] = rows
            buffers.host[count:] = 0
            buffers.source.update_inplace(buffers.host)
            self._session.run_with_iobinding(buffers.binding)
            return {name: np.array(output.numpy()[:count]) for name, output in buffers.outputs.items()}
        except Exception as error:  # ONNX Runtime raises one class per status code; they have no common base
            raise EngineFailed(f"ONNX Runtime failed on {count} rows: {error}") from error
        finally:
            free.put(buffers)

    def _allocate(self, size: int) -> _Buffers:
        dtype = DTYPES[self._input.type]
        host: Rows = np.zeros((size, self._input.shape[1]), dtype)
        source = self._on_device(host.shape, dtype)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input.name, source)
        outputs = {}
        for output in self._session.get_outputs():
            outputs[output.name] = self._on_device((size, *output.shape[1:]), DTYPES[output.type])
            binding.bind_ortvalue_output(output.name, outputs[output.name])
        source.update_inplace(host)
        return _Buffers(host, source, outputs, binding)

    def _on_device(self, shape: tuple[int, ...], dtype: type[np.floating]) -> onnxruntime.OrtValue:
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype, self._device)


def bucket_sizes(largest: int) -> list[int]:
    """The sizes of the buckets in rows, ascending; the last one holds `largest` rows."""
    sizes = [SMALLEST_BUCKET]
    while sizes[-1] < largest:
        sizes.append(sizes[-1] * GROWTH)
    return [*sizes[:-1], max(largest, SMALLEST_BUCKET)] if len(sizes) > 1 else sizes
