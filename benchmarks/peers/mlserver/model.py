"""MLServer with a custom runtime, as its documentation shows. Its settings are in the two JSON files of this folder."""

import graph
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Flow(MLModel):
    """The flow behind the Open Inference Protocol."""

    async def load(self) -> bool:
        """Loads the graph, once at start."""
        self._log_prob = graph.load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Computes one batch."""
        x = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32, copy=False)
        output = NumpyCodec.encode_output("log_prob", self._log_prob(x))
        return InferenceResponse(model_name=self.name, outputs=[output])
