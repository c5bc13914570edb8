"""LitServe with batching and its queue for many small requests (ZeroMQ, `fast_queue`)."""

import os
from typing import Any

import graph
import litserve
import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]


class Flow(litserve.LitAPI):
    """Decode, batch, predict, unbatch, encode: the steps that LitServe names."""

    def setup(self, device: str) -> None:  # noqa: ARG002  (LitServe's signature)
        """Once per worker."""
        self._score = graph.load()

    def decode_request(self, request: dict[str, Any]) -> Rows:
        """JSON to rows."""
        return np.asarray(request["x"], np.float32)

    def batch(self, inputs: list[Rows]) -> Rows:
        """Requests carry any number of rows, so where each ends is kept for `unbatch`."""
        self._ends = np.cumsum([len(rows) for rows in inputs])
        return np.concatenate(inputs)

    def predict(self, x: Rows) -> Rows:
        """The graph."""
        return self._score(x)

    def unbatch(self, output: Rows) -> list[Rows]:
        """To each request its own."""
        return np.split(output, self._ends[:-1])

    def encode_response(self, output: Rows) -> dict[str, list[float]]:
        """Numbers to JSON."""
        return {"log_prob": output.tolist()}


if __name__ == "__main__":
    api = Flow(max_batch_size=64, batch_timeout=0.001, api_path="/log_prob")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
