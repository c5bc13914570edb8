"""The memory that decoding a large body or encoding a large answer can take counts in the budget meanwhile."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from diffeo.service.app import create_app
from diffeo.service.codecs import json as json_codec
from diffeo.service.codecs.json import Json
from diffeo.service.codecs.parsing import number_text
from diffeo.service.codecs.v2 import response as v2_response
from diffeo.service.connections.memory import MemoryBudget
from diffeo.service.requests import DEFAULT_LIMITS, Limits, Payload
from diffeo.service.settings import Settings
from tests.given.flows import affine

MIB: Final = 2**20
BODY: Final = b'{"x":[' + b"[1,2]," * 50_000 + b"[1,2]]}"
V2: Final = b'{"inputs":[{"name":"x","shape":[50001,2],"datatype":"FP32","data":[' + b"1,2," * 50_000 + b"1,2]}]}"


class WithBudget:
    """Gives every request the same memory budget, as a connection of the server does."""

    def __init__(self, app: ASGIApp, budget: MemoryBudget) -> None:
        self._app = app
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["memory"] = self._budget
        await self._app(scope, receive, send)


async def post(app: ASGIApp, path: str, body: bytes) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        response = await client.post(path, content=body, headers={"content-type": "application/json"})
    return response.status_code


def test_a_body_that_is_being_decoded_counts_with_what_its_rows_can_take(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = MemoryBudget(100 * MIB)
    seen: list[int] = []
    decode = Json.decode

    def watched(self: Json, body: bytes, query: Mapping[str, str], limits: Limits = DEFAULT_LIMITS) -> Payload:
        seen.append(budget.used)
        return decode(self, body, query, limits)

    monkeypatch.setattr(Json, "decode", watched)
    app = WithBudget(create_app(Settings(models=affine.DATA)), budget)
    assert asyncio.run(post(app, "/log_prob", BODY)) == 200
    assert seen[0] >= len(BODY) * Json.decode_multiple
    assert budget.used == 0


@pytest.mark.parametrize(("path", "body"), [("/log_prob", BODY), ("/v2/models/affine2d/infer", V2)])
def test_a_body_whose_rows_may_not_fit_is_rejected_before_it_is_decoded(path: str, body: bytes) -> None:
    budget = MemoryBudget(20 * MIB)
    budget.hold(19 * MIB)
    app = WithBudget(create_app(Settings(models=affine.DATA)), budget)
    assert asyncio.run(post(app, path, body)) == 429
    assert budget.used == 19 * MIB


def test_a_body_is_decoded_if_nothing_else_is_held() -> None:
    budget = MemoryBudget(len(BODY) * 8)
    app = WithBudget(create_app(Settings(models=affine.DATA)), budget)
    assert asyncio.run(post(app, "/log_prob", BODY)) == 200
    assert budget.used == 0


ROWS: Final = 20_000
SAMPLE: Final = b'{"num_samples":%d}' % ROWS
V2_SAMPLE: Final = b'{"inputs":[],"parameters":{"num_samples":%d}}' % ROWS
SAMPLES: Final = {"/sample": SAMPLE, "/v2/models/affine2d.sample/infer": V2_SAMPLE}
ANSWER_BYTES: Final = ROWS * 2 * 4


@pytest.mark.parametrize(("path", "body"), SAMPLES.items())
def test_an_answer_that_is_being_encoded_counts_with_what_its_text_can_take(
    path: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = MemoryBudget(100 * MIB)
    seen: list[int] = []
    number_texts = number_text.number_texts

    def watched(numbers: npt.NDArray[np.floating]) -> Iterator[bytes]:
        seen.append(budget.used)
        return number_texts(numbers)

    for module in (number_text, json_codec, v2_response):
        monkeypatch.setattr(module, "number_texts", watched, raising=False)
    app = WithBudget(create_app(Settings(models=affine.DATA)), budget)
    assert asyncio.run(post(app, path, body)) == 200
    assert min(seen) >= ANSWER_BYTES * Json.encode_multiple
    assert budget.used == 0
