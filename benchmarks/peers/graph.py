"""What every peer serves: the graph in the file MODEL, rows of x to log_prob, on THREADS threads."""

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnxruntime

LogProb = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def load() -> LogProb:
    """One session of ONNX Runtime with its own defaults, but for the number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["THREADS"])
    session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def log_prob(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        (answer,) = session.run(["log_prob"], {"x": x})
        return answer

    return log_prob
