"""Calls of kserve's InferenceRESTClient, unmodified."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import InferResponse, RequestedOutput

from tests.clients.pool import Pool, same
from tests.clients.question import Question, draw

Call = Callable[[Pool, random.Random], Awaitable[None]]


def request(question: Question, identity: str) -> InferRequest:
    """The call as a request of kserve."""
    tensor = InferInput(question.name, list(question.values.shape), question.datatype)
    tensor.set_data_from_numpy(question.values, binary_data=question.binary_in)
    outputs = [RequestedOutput(name, parameters={"binary_data": question.binary_out}) for name in question.expected]
    return InferRequest(
        question.model,
        [tensor],
        request_id=identity,
        parameters=dict(question.parameters) or None,
        request_outputs=outputs,
    )


def check(question: Question, response: InferResponse, identity: str) -> None:
    """The response holds the expected tensors."""
    assert (response.model_name, response.id) == (question.model, identity)
    assert [output.name for output in response.outputs] == list(question.expected)
    for output in response.outputs:
        same(output.as_numpy().astype(np.float32), question.expected[output.name])


class Kserve:
    """One client on one event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
        self.calls: Mapping[str, Call] = {
            "infer": self.infer,
            "several at once": self.gather,
            "a dictionary": self.infer_dictionary,
            "health": self.health,
            "an error response": self.error_response,
        }

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def infer(self, pool: Pool, chance: random.Random) -> None:
        """A random call."""
        question, identity = draw(pool, chance), f"a:{chance.randint(0, 10**9)}"
        response = await self._client.infer(self._url, request(question, identity), model_name=question.model)
        check(question, response, identity)

    async def gather(self, pool: Pool, chance: random.Random) -> None:
        """Concurrent calls: each gets the answer to its own request."""
        await asyncio.gather(*(self.infer(pool, chance) for _ in range(4)))

    async def infer_dictionary(self, pool: Pool, _: random.Random) -> None:
        """A request as a nested dictionary, as users write it."""
        entry = {"name": "x", "shape": [3, 2], "datatype": "FP32", "data": pool.x[:3].astype(float).tolist()}
        response = await self._client.infer(self._url, {"inputs": [entry]}, model_name=pool.name)
        same(response.outputs[0].as_numpy().astype(np.float32), pool.log_prob[:3])

    async def health(self, pool: Pool, _: random.Random) -> None:
        """Live, ready, model ready, and not ready for an unknown model."""
        assert await self._client.is_server_live(self._url) is True
        assert await self._client.is_server_ready(self._url) is True
        assert await self._client.is_model_ready(self._url, f"{pool.name}.inverse") is True
        assert await self._client.is_model_ready(self._url, "absent") is False

    async def error_response(self, pool: Pool, chance: random.Random) -> None:
        """An error is raised with the expected status and sentence."""
        right = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0, 0]}
        model, entry, status, sentence = chance.choice(
            [
                ("absent", right, 404, "no model of that name"),
                (pool.name, {**right, "shape": [2, 2]}, 400, "input x has 2 values in data; its shape [2, 2] needs 4"),
                (pool.name, {**right, "datatype": "BYTES"}, 400, "input x is BYTES; this model takes FP32 or FP64"),
                (pool.name, {**right, "name": "y"}, 400, "input 'y' is unknown; this model has x"),
            ]
        )
        try:
            await self._client.infer(self._url, {"inputs": [entry]}, model_name=model)
        except httpx.HTTPStatusError as error:
            assert error.response.status_code == status
            assert sentence in str(error)
        else:
            raise AssertionError(f"no error; expected: {sentence}")
