"""Ray Serve: one deployment that takes the request itself and batches with `serve.batch`, as its guide shows."""

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
    """The graph."""

    def __init__(self) -> None:
        self._score = graph.load()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def score(self, requests: list[Rows]) -> list[Rows]:
        """One call for what has gathered; the loop goes on reading meanwhile."""
        ends = np.cumsum([len(rows) for rows in requests])
        answers = await asyncio.to_thread(self._score, np.concatenate(requests))
        return np.split(answers, ends[:-1])

    async def __call__(self, http: Request) -> dict[str, list[float]]:
        """JSON in, JSON out."""
        body = await http.json()
        answer = await self.score(np.asarray(body["x"], np.float32))
        return {"log_prob": answer.tolist()}


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Flow.bind(), route_prefix="/log_prob", blocking=True)
