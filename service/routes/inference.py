"""POST /sample, /log_prob, /transform: each handler is the way of a request, one step a line."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bundle import npy
from service.answer import Answer
from service.codecs.codec import Codec
from service.errors import NotAcceptable, TooLarge
from service.model import Draw, Model
from service.repository import Repository
from service.requests import Address, Limits, LogProbRequest, Payload, SampleRequest, TransformRequest
from service.routes import wire
from service.settings import Settings

# Below this a body is decoded or an answer encoded faster than a thread is woken.
INLINE_BYTES: Final = 32 * 1024
INLINE_VALUES: Final = 8 * 1024

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Inference:
    """The three verbs over one repository."""

    repository: Repository
    settings: Settings
    limits: Limits

    async def sample(self, http: Request) -> Response:
        """Draw rows."""
        payload, read = await self._receive(http)
        write = wire.writer(http, read)
        model = self.repository.find(Address.parse(payload.parameters))
        request = SampleRequest.parse(payload, self.limits)
        _check_format(write, request.parts)
        _check_size(write, request.num_samples, self.settings.max_json_samples)
        draw = model.settle(request)
        if write.streams and request.num_samples > model.piece_rows:
            return _stream_npy(http, model, draw)
        return await _reply(http, write, await model.sample(draw), model.facts(draw))

    async def log_prob(self, http: Request) -> Response:
        """Score rows."""
        payload, read = await self._receive(http)
        write = wire.writer(http, read)
        model = self.repository.find(Address.parse(payload.parameters))
        request = LogProbRequest.parse(payload, model.manifest, self.limits)
        return await _reply(http, write, await model.log_prob(request))

    async def transform(self, http: Request) -> Response:
        """Send rows through the flow."""
        payload, read = await self._receive(http)
        write = wire.writer(http, read)
        model = self.repository.find(Address.parse(payload.parameters))
        request = TransformRequest.parse(_one_part(payload, write), model.manifest, self.limits)
        _check_format(write, request.parts)
        return await _reply(http, write, await model.transform(request))

    async def _receive(self, http: Request) -> tuple[Payload, Codec]:
        body = await wire.read_body(http, self.settings.max_body_bytes)
        codec = wire.reader(http, body)
        query = wire.query(http)
        if len(body) <= INLINE_BYTES:
            return codec.decode(body, query), codec
        return await asyncio.to_thread(codec.decode, body, query), codec


def _check_format(write: Codec, parts: tuple[str, ...]) -> None:
    # The codec would refuse the answer too, but only after it is computed.
    if write.single and len(parts) > 1:
        listed = ", ".join(parts)
        raise NotAcceptable.at("/return", f"{write.name} carries one array and return lists {listed}: name one")


def _check_size(write: Codec, num_samples: int, limit: int) -> None:
    if not write.streams and num_samples > limit:
        detail = f"num_samples is {num_samples}; {write.name} holds at most {limit}: ask for npy, or page with start"
        raise TooLarge.at("/num_samples", detail)


def _one_part(payload: Payload, write: Codec) -> Payload:
    # One array is all that fits: unless the client names another, the rows themselves.
    if not write.single or "return" in payload.parameters:
        return payload
    image = {"forward": "z", "inverse": "x"}.get(str(payload.parameters.get("direction")), "z")
    return Payload({**payload.parameters, "return": [image]}, payload.rows, payload.rows_name)


async def _reply(http: Request, write: Codec, answer: Answer, facts: dict[str, object] | None = None) -> Response:
    rows = sum(tensor.size for tensor in answer.tensors.values())
    _note(http, answer.model, answer.version, rows=max(map(len, answer.tensors.values())))
    content = write.encode(answer) if rows <= INLINE_VALUES else await asyncio.to_thread(write.encode, answer)
    headers = _headers(answer.model, answer.version, facts or {})
    if answer.invalid_rows:
        headers["diffeo-invalid-rows"] = str(len(answer.invalid_rows))
    return Response(content, headers=headers, media_type=write.media_type)


def _stream_npy(http: Request, model: Model, draw: Draw) -> Response:
    (part,) = draw.request.parts
    count = draw.request.num_samples
    shape = (count,) if part == "log_prob" else (count, model.manifest.dimension)
    dtype = np.dtype(model.manifest.dtype if part == "x" else np.float32)
    head = npy.header(shape, dtype)
    _note(http, model.name, model.version, rows=count)

    async def body() -> AsyncIterator[bytes]:
        yield head
        async for piece in model.pieces(draw):
            yield np.ascontiguousarray(piece[part]).tobytes()

    headers = _headers(model.name, model.version, model.facts(draw))
    # The length is known, so a stream that breaks in the middle is a short read to every client.
    headers["content-length"] = str(len(head) + dtype.itemsize * int(np.prod(shape)))
    return StreamingResponse(body(), headers=headers, media_type="application/x-npy")


def _headers(model: str, version: int, facts: dict[str, object]) -> dict[str, str]:
    # Binary answers have no room for facts; the same headers on JSON cost nothing and spare a special case.
    headers = {"diffeo-model": model, "diffeo-version": str(version)}
    for name in ("seed", "start", "next_start", "temperature"):
        if name in facts:
            headers[f"diffeo-{name.replace('_', '-')}"] = str(facts[name])
    return headers


def _note(http: Request, model: str, version: int, *, rows: int) -> None:
    http.scope.setdefault("state", {})["log"] = {"model": model, "version": version, "rows": rows}
