"""Triton Inference Server through PyTriton: the graph as a Python callable behind Triton's dynamic batcher.

`@batch` hands over what the batcher gathered as one array, as in PyTriton's documentation. The batcher's own default,
no delay, lets load itself make the batches.
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

score = graph.load()


@batch
def infer(x: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    """The graph on a batch [B, 2]; Triton wants a column per output."""
    return {"log_prob": score(x)[:, None]}


def leave(*_: object) -> NoReturn:
    """SIGTERM: unwind, so that PyTriton gives back its shared memory and its folder."""
    raise SystemExit(0)


def main() -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGTERM, leave)
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
