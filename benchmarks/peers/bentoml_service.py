"""BentoML: one service, one batchable endpoint of arrays; its dispatcher learns how long to wait for a batch."""

import bentoml
import graph
import numpy as np


@bentoml.service(workers=1, traffic={"timeout": 60})
class Flow:
    """The graph."""

    def __init__(self) -> None:
        self._score = graph.load()

    @bentoml.api(batchable=True, max_batch_size=4096, max_latency_ms=60_000)
    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """A batch that BentoML has gathered, joined on its first axis."""
        return self._score(np.asarray(x, np.float32))
