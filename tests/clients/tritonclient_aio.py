"""Calls of tritonclient.http.aio, unmodified, several at once."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

import numpy as np
import tritonclient.http.aio as http
from tritonclient.utils import InferenceServerException

from tests.clients.pool import Pool
from tests.clients.question import draw
from tests.clients.tritonclient_sync import COMPRESSIONS, check, check_error, inputs, outputs

Call = Callable[[Pool, random.Random], Awaitable[None]]


class TritonAio:
    """One client on one event loop."""

    def __init__(self, url: str) -> None:
        self._client = http.InferenceServerClient(url.removeprefix("http://"))
        self.calls: Mapping[str, Call] = {
            "infer": self.infer,
            "several at once": self.gather,
            "health": self.health,
            "metadata": self.metadata,
            "an error response": self.error_response,
        }

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def infer(self, pool: Pool, chance: random.Random) -> None:
        """A random call, compressed or not."""
        question, identity = draw(pool, chance), f"a:{chance.randint(0, 10**9)}"
        result = await self._client.infer(
            question.model,
            inputs(question),
            outputs=outputs(question),
            request_id=identity,
            request_compression_algorithm=chance.choice(COMPRESSIONS),
            response_compression_algorithm=chance.choice(COMPRESSIONS),
            parameters=dict(question.parameters) or None,
        )
        check(question, result, identity)

    async def gather(self, pool: Pool, chance: random.Random) -> None:
        """Concurrent calls: each gets the answer to its own request."""
        await asyncio.gather(*(self.infer(pool, chance) for _ in range(4)))

    async def health(self, pool: Pool, _: random.Random) -> None:
        """Live, ready, model ready, and not ready for an unknown model."""
        assert await self._client.is_server_live()
        assert await self._client.is_server_ready()
        assert await self._client.is_model_ready(pool.name)
        assert not await self._client.is_model_ready("absent")

    async def metadata(self, pool: Pool, _: random.Random) -> None:
        """Metadata of server, model and repository. This client does not check the content encoding."""
        assert (await self._client.get_server_metadata())["name"] == "diffeo"
        assert (await self._client.get_model_metadata(pool.name))["versions"] == ["1"]
        assert (await self._client.get_model_config(f"{pool.name}.sample"))["max_batch_size"] == 0
        assert await self._client.get_model_repository_index()
        assert (await self._client.get_inference_statistics(pool.name))["model_stats"]

    async def error_response(self, pool: Pool, _: random.Random) -> None:
        """An error is raised with the expected status and sentence."""
        wide = http.InferInput("x", [1, 99], "FP32")
        wide.set_data_from_numpy(np.zeros((1, 99), np.float32))
        for model, status, sentence in ((pool.name, 400, "input x has shape [1, 99]"), ("absent", 404, "no model of")):
            try:
                await self._client.infer(model, [wide])
            except InferenceServerException as error:
                check_error(error, status, sentence)
            else:
                raise AssertionError(f"no error; expected: {sentence}")
