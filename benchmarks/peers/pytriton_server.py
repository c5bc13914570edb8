"""Triton Inference Server through PyTriton: the graph as a Python callable behind Triton's dynamic batcher.

As in PyTriton's documentation, `@batch` joins the requests of a batch into one array. The batcher runs with its default
of no delay, so batches form only under load.
"""

import os
import signal
from typing import NoReturn

import graph
import numpy as np
import numpy.typing as npt
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

log_prob = graph.load()


@batch
def infer(x: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    """Computes a batch [B, 2]; Triton needs each output as a column [B, 1]."""
    return {"log_prob": log_prob(x)[:, None]}


def exit_on_signal(*_: object) -> NoReturn:
    """Handles SIGTERM: raises SystemExit, so that PyTriton releases its shared memory and its folder."""
    raise SystemExit(0)


def main() -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, exit_on_signal)
    ports = TritonConfig(
        http_address="127.0.0.1",
        http_port=int(os.environ["PORT"]),
        grpc_port=int(os.environ["GRPC_PORT"]),
        metrics_port=int(os.environ["METRICS_PORT"]),
    )
    with Triton(config=ports) as triton:
        triton.bind(
            model_name="flow",
            infer_func=infer,
            inputs=[Tensor(name="x", dtype=np.float32, shape=(2,))],
            outputs=[Tensor(name="log_prob", dtype=np.float32, shape=(1,))],
            config=ModelConfig(max_batch_size=4096, batcher=DynamicBatcher()),
        )
        triton.serve()


if __name__ == "__main__":
    main()
