"""Computes a graph in ONNX Runtime, on the CPU and in blocks of rows, for the certificate."""

from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime

Tensors = dict[str, npt.NDArray[np.floating]]
Array = npt.NDArray[np.floating]

BLOCK_ROWS: Final = 1024


class Graph:
    """One graph, loaded from the bytes of its file."""

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._dtype = np.float64 if self._input.type == "tensor(double)" else np.float32

    @property
    def takes_float64(self) -> bool:
        """True if the input is float64."""
        return self._dtype is np.float64

    def run(self, rows: Array, block: int = BLOCK_ROWS) -> Tensors:
        """The outputs by name for rows [B, D], computed `block` rows at a time."""
        rows = np.ascontiguousarray(rows, dtype=self._dtype)
        blocks = [rows[start : start + block] for start in range(0, len(rows), block)]
        answers = [self._session.run(self._outputs, {self._input.name: block_rows}) for block_rows in blocks]
        return {
            name: np.concatenate(arrays) for name, arrays in zip(self._outputs, zip(*answers, strict=True), strict=True)
        }
