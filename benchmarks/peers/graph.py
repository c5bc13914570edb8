"""Loads the graph that every peer serves. MODEL is its ONNX file, THREADS its number of threads."""

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnxruntime

LogProb = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def load() -> LogProb:
    """Returns a function from rows x to log_prob: an ONNX Runtime session with its defaults but for its threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["THREADS"])
    session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def log_prob(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = session.run(["log_prob"], {"x": x})[0]
        return result

    return log_prob
