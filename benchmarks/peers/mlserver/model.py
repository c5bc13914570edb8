"""MLServer with a custom runtime, as its documentation shows; settings.json and model-settings.json lie beside it."""

import graph
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Flow(MLModel):
    """The graph behind the Open Inference Protocol."""

    async def load(self) -> bool:
        """Once, at start."""
        self._score = graph.load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """A batch that MLServer has gathered."""
        x = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32, copy=False)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("log_prob", self._score(x))])
