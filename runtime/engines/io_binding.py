"""ONNX Runtime on a device: a batch is copied in once, stays there, and is copied out once.

Batches are rounded up to buckets of fixed sizes. Each bucket has buffers on the device and a binding of the graph to
them, made and run once at load, so that no request pays for an allocation or a first run.

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

SMALLEST: Final = 16
# Each bucket is this much larger than the one below: at most three of four rows computed are padding.
STEP: Final = 4
DTYPES: Final[dict[str, type[np.floating]]] = {"tensor(float)": np.float32, "tensor(double)": np.float64}


@dataclass(frozen=True, slots=True)
class _Slot:
    """The buffers of one batch: rows on the host, the same on the device, the answers there, and the graph between."""

    host: Rows
    source: onnxruntime.OrtValue
    answers: dict[str, onnxruntime.OrtValue]
    binding: onnxruntime.IOBinding


class BoundEngine:
    """One graph in one inference session, bound to buffers on a device.

    Args:
        session: the loaded graph.
        device: ONNX Runtime's name of the device.
        largest: most rows of one batch.
        parallel: batches on the device at the same time: one is copied while another is computed.
    """

    def __init__(self, session: onnxruntime.InferenceSession, device: str, largest: int, parallel: int) -> None:
        self._session = session
        self._device = device
        (self._input,) = session.get_inputs()
        self._slots: dict[int, SimpleQueue[_Slot]] = {}
        for size in sizes(largest):
            self._slots[size] = SimpleQueue()
            for _ in range(parallel):
                slot = self._slot(size)
                session.run_with_iobinding(slot.binding)
                self._slots[size].put(slot)

    def run(self, tensors: Tensors) -> Tensors:
        """Compute the graph on rows [B, D], B at most the largest bucket."""
        rows = tensors[self._input.name]
        count = len(rows)
        slots = self._slots[next(size for size in self._slots if size >= count)]
        slot = slots.get()
        try:
            slot.host[:count] = rows
            slot.host[count:] = 0
            slot.source.update_inplace(slot.host)
            self._session.run_with_iobinding(slot.binding)
            return {name: np.array(answer.numpy()[:count]) for name, answer in slot.answers.items()}
        except Exception as error:  # ONNX Runtime has a class per status code and no common base
            raise EngineFailed(f"ONNX Runtime failed on {count} rows: {error}") from error
        finally:
            slots.put(slot)

    def _slot(self, size: int) -> _Slot:
        dtype = DTYPES[self._input.type]
        host: Rows = np.zeros((size, self._input.shape[1]), dtype)
        source = self._buffer(host.shape, dtype)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input.name, source)
        answers = {}
        for output in self._session.get_outputs():
            answers[output.name] = self._buffer((size, *output.shape[1:]), DTYPES[output.type])
            binding.bind_ortvalue_output(output.name, answers[output.name])
        source.update_inplace(host)
        return _Slot(host, source, answers, binding)

    def _buffer(self, shape: tuple[int, ...], dtype: type[np.floating]) -> onnxruntime.OrtValue:
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype, self._device)


def sizes(largest: int) -> list[int]:
    """The sizes of the buckets, ascending; the last one holds `largest` rows."""
    found = [SMALLEST]
    while found[-1] < largest:
        found.append(found[-1] * STEP)
    return [*found[:-1], max(largest, SMALLEST)] if len(found) > 1 else found
