"""POST /sample, /log_prob, /transform: each handler is the way of a request, one step a line."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from starlette.types import Receive, Scope, Send

from diffeo.runtime.finite_rows import Tensors

from .. import offload
from ..answer import Answer
from ..codecs.codec import Codec, StreamEncoder
from ..errors import NotAcceptable, TooLarge
from ..model import Model, SeededSample
from ..observability.counters import EndpointCounters
from ..observability.registry import Metrics
from ..observability.timing import RequestTiming
from ..observability.tracing import Tracer
from ..repository.repository import Repository
from ..requests import Limits, LogProbRequest, ModelSelector, Payload, SampleRequest, TransformRequest
from ..settings import Settings
from . import negotiation
from .access import request_id
from .disconnects import DisconnectWatcher
from .problems import CLIENT_GONE, GONE, INTERNAL, kind_of, reply_to
from .request_context import ClientGone, Header, Reply, RequestContext

FACTS: Final = {
    name: f"diffeo-{name.replace('_', '-')}".encode()
    for name in ("precision", "seed", "start", "next_start", "temperature")
}
TIMING: Final = b"server-timing"

Handler = Callable[[RequestContext], Awaitable[Reply]]
Refuse = Callable[[Exception, str], Reply]


class Endpoint:
    """One handler as an ASGI application: its reply or its problem is sent, and a client that has gone is noted.

    Args:
        handler: makes the reply.
        disconnects: tells it of a client that has gone.
        meter: counts what no model is found for.
        tracer: makes spans, where traces are wanted.
        refuse: the reply to an error, given the request's id.
    """

    def __init__(
        self,
        handler: Handler,
        disconnects: DisconnectWatcher,
        meter: EndpointCounters,
        tracer: Tracer | None = None,
        refuse: Refuse = reply_to,
    ) -> None:
        self._handler = handler
        self._disconnects = disconnects
        self._meter = meter
        self._tracer = tracer
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = RequestContext(scope, receive, send, self._meter)
        timing = http.timing
        try:
            reply = await self._reply(http)
            timing.status = reply.status
            timing.leave()
            reply.headers.append((TIMING, _timing(timing)))
            await http.answer(reply)
        except asyncio.CancelledError:
            timing.reason, timing.status = GONE, CLIENT_GONE
            if not http.left:
                raise
        except Exception:
            # Whatever the head said: the answer breaks off.
            timing.reason, timing.status = INTERNAL.type, INTERNAL.status
            raise
        finally:
            self._disconnects.unwatch(http)
            http.meter.count(timing)
            if self._tracer is not None:
                self._tracer.trace(http)

    async def _reply(self, http: RequestContext) -> Reply:
        try:
            return await self._handler(http)
        except ClientGone:
            http.timing.reason = GONE
            return Reply(CLIENT_GONE, [])
        except asyncio.CancelledError:
            if not http.left:
                raise
            http.timing.reason = GONE
            return Reply(CLIENT_GONE, [])
        except Exception as error:  # noqa: BLE001  (what nobody foresaw is a problem document too)
            http.timing.reason = kind_of(error).type
            return self._refuse(error, request_id(http.scope))


@dataclass(frozen=True, slots=True)
class Inference:
    """The three verbs over one repository."""

    repository: Repository
    settings: Settings
    limits: Limits
    disconnects: DisconnectWatcher
    metrics: Metrics

    async def sample(self, http: RequestContext) -> Reply:
        """Draw rows."""
        deadline = http.deadline(self.settings.timeout_seconds)
        payload, write = await self._receive(http)
        model = self._model(http, payload)
        request = SampleRequest.parse(payload, self.limits)
        _check_format(write, request.outputs)
        seeded = model.with_seed(request)
        if request.num_samples > min(model.block_rows, self.settings.max_json_samples):
            stream = write.stream_encoder(model.schema(seeded))
            if stream is None:
                _check_size(write, request.num_samples, self.settings.max_json_samples)
            elif request.num_samples > model.block_rows:
                return await self._stream(http, write, stream, model, seeded, deadline)
        return await _reply(http, write, await model.sample(seeded, deadline, http.timing))

    async def log_prob(self, http: RequestContext) -> Reply:
        """Score rows."""
        deadline = http.deadline(self.settings.timeout_seconds)
        payload, write = await self._receive(http)
        model = self._model(http, payload)
        request = LogProbRequest.parse(payload, model.manifest, self.limits)
        return await _reply(http, write, await model.log_prob(request, deadline, http.timing))

    async def transform(self, http: RequestContext) -> Reply:
        """Send rows through the flow."""
        deadline = http.deadline(self.settings.timeout_seconds)
        payload, write = await self._receive(http)
        model = self._model(http, payload)
        request = TransformRequest.parse(_one_part(payload, write), model.manifest, self.limits)
        _check_format(write, request.outputs)
        return await _reply(http, write, await model.transform(request, deadline, http.timing))

    def _model(self, http: RequestContext, payload: Payload) -> Model:
        model = self.repository.find(ModelSelector.parse(payload.parameters))
        http.meter = self.metrics.meet(http.meter.verb, model)
        return model

    async def _receive(self, http: RequestContext) -> tuple[Payload, Codec]:
        body = await http.body(self.settings.max_body_bytes)
        self.disconnects.watch(http)
        read = negotiation.reader(http, body)
        query = http.query()
        write = negotiation.writer(http, query.pop("format", None), read)
        if len(body) <= offload.DECODE_BYTES:
            return read.decode(body, query), write
        return await offload.in_thread(read.decode, body, query), write

    async def _stream(  # noqa: PLR0913, PLR0917  (what a stream is made of)
        self,
        http: RequestContext,
        write: Codec,
        stream: StreamEncoder,
        model: Model,
        seeded: SeededSample,
        deadline: float,
    ) -> Reply:
        pieces = model.stream_blocks(seeded, deadline, http.timing)
        # What can be refused is refused by the first piece, while there is still a status to say it with.
        first = await anext(pieces)
        _note(http, model, seeded.request.num_samples)
        headers = _headers(write, model.name, model.version, model.metadata(seeded))
        if stream.content_length is not None:
            # A stream that breaks in the middle is then a short read to every client.
            headers.append((b"content-length", b"%d" % stream.content_length))
        return Reply(200, headers, parts=_parts(http.timing, stream, first, pieces))


def _check_format(write: Codec, parts: tuple[str, ...]) -> None:
    # The codec would refuse the answer too, but only after it is computed.
    if write.single_array and len(parts) > 1:
        listed = ", ".join(parts)
        raise NotAcceptable.at("/return", f"{write.name} carries one array and return lists {listed}: name one")


def _check_size(write: Codec, num_samples: int, limit: int) -> None:
    if num_samples > limit:
        detail = f"num_samples is {num_samples}; {write.name} holds at most {limit}: ask for npy, or page with start"
        raise TooLarge.at("/num_samples", detail)


def _one_part(payload: Payload, write: Codec) -> Payload:
    # One array is all that fits: unless the client names another, the rows themselves.
    if not write.single_array or "return" in payload.parameters:
        return payload
    image = {"forward": "z", "inverse": "x"}.get(str(payload.parameters.get("direction")), "z")
    parameters = {**payload.parameters, "return": [image]}
    return Payload(parameters, payload.rows, payload.rows_name, payload.columns)


async def _reply(http: RequestContext, write: Codec, answer: Answer) -> Reply:
    rows = len(next(iter(answer.tensors.values())))
    _note(http, answer, rows)
    values = rows * len(answer.columns) * len(answer.tensors)
    timing = http.timing
    timing.rows, timing.invalid = rows, len(answer.invalid_rows)
    timing.encoding = perf_counter()
    content = write.encode(answer) if values <= offload.ENCODE_VALUES else await offload.in_thread(write.encode, answer)
    timing.encode = perf_counter() - timing.encoding
    headers = _headers(write, answer.model, answer.version, answer.metadata)
    headers.append((b"content-length", b"%d" % len(content)))
    if answer.invalid_rows:
        headers.append((b"diffeo-invalid-rows", b"%d" % len(answer.invalid_rows)))
    return Reply(200, headers, content)


async def _parts(
    timing: RequestTiming, stream: StreamEncoder, first: Tensors, pieces: AsyncGenerator[Tensors, None]
) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(pieces):
        yield stream.header()
        timing.encoding = perf_counter()
        content = await _piece(timing, stream, first)
        timing.encode = perf_counter() - timing.encoding
        yield content
        async for piece in pieces:
            yield await _piece(timing, stream, piece)
    if tail := stream.footer():
        yield tail


async def _piece(timing: RequestTiming, stream: StreamEncoder, tensors: Tensors) -> bytes:
    timing.rows += len(next(iter(tensors.values())))
    values = sum(tensor.size for tensor in tensors.values())
    return stream.block(tensors) if values <= offload.ENCODE_VALUES else await offload.in_thread(stream.block, tensors)


def _headers(write: Codec, model: str, version: int, facts: Mapping[str, object]) -> list[Header]:
    # Binary answers have no room for facts; the same headers on JSON cost little and spare a special case.
    headers = [*_heading(write.media_type, model, version)]
    headers.extend((FACTS[name], str(facts[name]).encode()) for name in facts.keys() & FACTS.keys())
    return headers


@functools.lru_cache
def _heading(media_type: str, model: str, version: int) -> tuple[Header, ...]:
    return (
        (b"content-type", media_type.encode()),
        (b"diffeo-model", model.encode()),
        (b"diffeo-version", b"%d" % version),
    )


def _timing(timing: RequestTiming) -> bytes:
    # A stream is written after its head, and a problem has nothing to write: what is not known is not named.
    if not timing.encode:
        return b"queue;dur=%.3f, compute;dur=%.3f" % (timing.queue * 1e3, timing.compute * 1e3)
    spans = timing.queue * 1e3, timing.compute * 1e3, timing.encode * 1e3
    return b"queue;dur=%.3f, compute;dur=%.3f, encode;dur=%.3f" % spans


def _note(http: RequestContext, spoke: Answer | Model, rows: int) -> None:
    name = spoke.model if isinstance(spoke, Answer) else spoke.name
    http.scope["state"]["log"] = {"model": name, "version": spoke.version, "rows": rows}
