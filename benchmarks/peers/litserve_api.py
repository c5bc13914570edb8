"""LitServe with batching and with its queue for many small requests (`fast_queue`, ZeroMQ)."""

import os
from typing import Any

import graph
import litserve
import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]


class Flow(litserve.LitAPI):
    """Decode, batch, predict, unbatch, encode: the steps of a LitServe API."""

    def setup(self, device: str) -> None:  # noqa: ARG002  (LitServe's signature)
        """Loads the graph, once per worker."""
        self._log_prob = graph.load()

    # LitServe reads this annotation: a more precise type would make FastAPI check every number.
    def decode_request(self, request: dict[str, Any]) -> Rows:
        """Converts JSON to rows."""
        return np.asarray(request["x"], np.float32)

    def batch(self, inputs: list[Rows]) -> Rows:
        """Joins the rows. Requests differ in their number of rows, so their ends are kept for `unbatch`."""
        self._ends = np.cumsum([len(rows) for rows in inputs])
        return np.concatenate(inputs)

    def predict(self, x: Rows) -> Rows:
        """Computes the batch."""
        result: Rows = self._log_prob(x)
        return result

    def unbatch(self, output: Rows) -> list[Rows]:
        """Splits the result by request."""
        return np.split(output, self._ends[:-1])

    def encode_response(self, output: Rows) -> dict[str, list[float]]:
        """Converts numbers to JSON."""
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
