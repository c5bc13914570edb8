"""BentoML: one service with one batchable endpoint of arrays. Its dispatcher adapts the time that a batch waits."""

import bentoml
import graph
import numpy as np


@bentoml.service(workers=1, traffic={"timeout": 60})
class Flow:
    """The flow behind one endpoint."""

    def __init__(self) -> None:
        self._log_prob = graph.load()

    @bentoml.api(batchable=True, max_batch_size=4096, max_latency_ms=60_000)
    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Computes one batch. BentoML joins the requests on the first axis."""
        result: np.ndarray = self._log_prob(np.asarray(x, np.float32))
        return result
