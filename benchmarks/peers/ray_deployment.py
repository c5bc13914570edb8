"""Ray Serve: one deployment that handles HTTP requests and batches them with `serve.batch`, as its guide shows."""

import asyncio
import os

import graph
import numpy as np
import numpy.typing as npt
import ray
from ray import serve
from starlette.requests import Request

Rows = npt.NDArray[np.float32]


@serve.deployment(max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Flow:
    """The flow as a deployment."""

    def __init__(self) -> None:
        self._log_prob = graph.load()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def log_prob(self, requests: list[Rows]) -> list[Rows]:
        """Computes one batch in a thread, so that the event loop reads requests meanwhile."""
        ends = np.cumsum([len(rows) for rows in requests])
        answers = await asyncio.to_thread(self._log_prob, np.concatenate(requests))
        return np.split(answers, ends[:-1])

    async def __call__(self, request: Request) -> dict[str, list[float]]:
        """Handles one request with a JSON body."""
        body = await request.json()
        answer = await self.log_prob(np.asarray(body["x"], np.float32))
        return {"log_prob": answer.tolist()}


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    # The decorator adds `bind`; Ray's annotations do not say so.
    serve.run(Flow.bind(), route_prefix="/log_prob", blocking=True)  # type: ignore[attr-defined]
