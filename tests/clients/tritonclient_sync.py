"""Calls of tritonclient.http, unmodified, as its users make them."""

import random
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from tritonclient import http
from tritonclient.utils import InferenceServerException

from tests.clients.pool import Pool, same
from tests.clients.question import Question, draw

COMPRESSIONS: Final = (None, None, "gzip", "deflate")

Call = Callable[[Pool, random.Random], None]


def inputs(question: Question, kind: type = http.InferInput) -> list[http.InferInput]:
    """The input of the call."""
    tensor = kind(question.name, list(question.values.shape), question.datatype)
    tensor.set_data_from_numpy(question.values, binary_data=question.binary_in)
    return [tensor]


def outputs(question: Question) -> list[http.InferRequestedOutput]:
    """The outputs that the call requests."""
    return [http.InferRequestedOutput(name, binary_data=question.binary_out) for name in question.expected]


def check(question: Question, result: http.InferResult, identity: str) -> None:
    """The response holds the expected tensors."""
    response = result.get_response()
    assert (response["model_name"], response["model_version"]) == (question.model, "1")
    assert response["id"] == identity
    assert [output["name"] for output in response["outputs"]] == list(question.expected)
    for name, tensor in question.expected.items():
        same(result.as_numpy(name), tensor)


def check_error(error: InferenceServerException, status: int, sentence: str) -> None:
    """The error has this status, and its message holds this sentence."""
    assert error.status() == str(status), f"status {error.status()}, expected {status}"
    assert sentence in error.message(), error.message()


class Triton:
    """One client with one connection pool."""

    def __init__(self, url: str) -> None:
        self._client = http.InferenceServerClient(url.removeprefix("http://"), concurrency=4)
        self._count = 0
        self.calls: Mapping[str, Call] = {
            "infer": self.infer,
            "infer without outputs": self.infer_all,
            "async_infer": self.infer_async,
            "a row that is not finite": self.infer_nan,
            "health": self.health,
            "metadata": self.metadata,
            "statistics": self.statistics,
            "an error response": self.error_response,
        }

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def infer(self, pool: Pool, chance: random.Random) -> None:
        """A random call, compressed or not."""
        question, identity = draw(pool, chance), self._next()
        result = self._client.infer(
            question.model,
            inputs(question),
            model_version=chance.choice(["", "1"]),
            outputs=outputs(question),
            request_id=identity,
            request_compression_algorithm=chance.choice(COMPRESSIONS),
            response_compression_algorithm=chance.choice(COMPRESSIONS),
            timeout=chance.choice([None, 30_000_000]),
            parameters=dict(question.parameters) or None,
        )
        check(question, result, identity)

    def infer_all(self, pool: Pool, chance: random.Random) -> None:
        """Without named outputs the server returns all of them, as bytes."""
        question = draw(pool, chance)
        result = self._client.infer(question.model, inputs(question), parameters=dict(question.parameters) or None)
        for name, tensor in question.expected.items():
            same(result.as_numpy(name), tensor)

    def infer_async(self, pool: Pool, chance: random.Random) -> None:
        """Three concurrent calls: each gets the answer to its own request."""
        calls = [(draw(pool, chance), self._next()) for _ in range(3)]
        handles = [
            self._client.async_infer(
                question.model,
                inputs(question),
                outputs=outputs(question),
                request_id=identity,
                parameters=dict(question.parameters) or None,
            )
            for question, identity in calls
        ]
        for (question, identity), handle in zip(calls, handles, strict=True):
            check(question, handle.get_result(), identity)

    def infer_nan(self, pool: Pool, chance: random.Random) -> None:
        """A row with NaN gets NaN, in bytes and in JSON; the other rows get their answers."""
        x = pool.x[:3].copy()
        x[1, 0] = np.nan
        binary = chance.random() < 0.5
        question = Question(pool.name, "x", x, "FP32", {"log_prob": pool.log_prob[:3]}, True, binary)  # noqa: FBT003
        result = self._client.infer(question.model, inputs(question), outputs=outputs(question))
        scores = result.as_numpy("log_prob")
        assert np.isnan(scores[1])
        same(scores[[0, 2]], pool.log_prob[[0, 2]])
        assert result.get_response()["parameters"] == {"invalid_rows": 1}

    def health(self, pool: Pool, _: random.Random) -> None:
        """Live, ready, model ready, and not ready for an unknown model."""
        assert self._client.is_server_live()
        assert self._client.is_server_ready()
        assert self._client.is_model_ready(f"{pool.name}.sample")
        assert self._client.is_model_ready(pool.name, "1")
        assert not self._client.is_model_ready("absent")

    def metadata(self, pool: Pool, _: random.Random) -> None:
        """Metadata of server, model, configuration and repository."""
        assert self._client.get_server_metadata()["name"] == "diffeo"
        metadata = self._client.get_model_metadata(pool.name)
        assert metadata["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": [-1, pool.x.shape[1]]}
        assert self._client.get_model_config(pool.name)["input"][0]["dims"] == [pool.x.shape[1]]
        index = self._client.get_model_repository_index()
        assert {"name": pool.name, "version": "1", "state": "READY", "reason": ""} in index

    def statistics(self, pool: Pool, _: random.Random) -> None:
        """Statistics of one version of a model, and of all models."""
        for entry in self._client.get_inference_statistics(pool.name, "1")["model_stats"]:
            assert entry["inference_stats"]["cache_hit"] == {"count": 0, "ns": 0}
        assert len(self._client.get_inference_statistics()["model_stats"]) > 1

    def error_response(self, pool: Pool, chance: random.Random) -> None:
        """Each error is raised with the expected status and sentence."""
        question = Question(pool.name, "x", pool.x[:2], "FP32", {"log_prob": pool.log_prob[:2]}, True, True)  # noqa: FBT003
        status, sentence, call = chance.choice(self._error_calls(question))
        try:
            call()
        except InferenceServerException as error:
            check_error(error, status, sentence)
        else:
            raise AssertionError(f"no error; expected: {sentence}")

    def _error_calls(self, question: Question) -> list[tuple[int, str, Callable[[], object]]]:
        client = self._client
        wide = http.InferInput("x", [1, 99], "FP32")
        wide.set_data_from_numpy(np.zeros((1, 99), np.float32))
        integer = http.InferInput("x", [1, 2], "INT32")
        integer.set_data_from_numpy(np.zeros((1, 2), np.int32))
        nan = http.InferInput("x", [1, 2], "FP32")
        nan.set_data_from_numpy(np.array([[np.nan, 0]], np.float32), binary_data=False)
        other = [http.InferRequestedOutput("y")]
        return [
            (404, "no model of that name", lambda: client.infer("absent", inputs(question))),
            (404, "has no version 9", lambda: client.infer(question.model, inputs(question), model_version="9")),
            (404, "no model of that name", lambda: client.get_model_metadata("absent")),
            (400, "input x has shape [1, 99]", lambda: client.infer(question.model, [wide])),
            (400, "input x has a wrong datatype, INT32", lambda: client.infer(question.model, [integer])),
            (400, "the body is not JSON", lambda: client.infer(question.model, [nan])),
            (400, "output 'y' is unknown", lambda: client.infer(question.model, inputs(question), outputs=other)),
            (400, "parameter 'priority'", lambda: client.infer(question.model, inputs(question), priority=1)),
            (400, "cannot load or unload a model", lambda: client.load_model(question.model)),
            (400, "cannot load or unload a model", lambda: client.unload_model(question.model)),
            (404, "no such path", client.get_trace_settings),
        ]

    def _next(self) -> str:
        self._count += 1
        return str(self._count)
