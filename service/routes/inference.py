"""POST /sample, /log_prob and /transform: receives a request, computes its answer, and encodes or streams it."""

import contextlib
import functools
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from diffeo.runtime.finite_rows import Tensors

from .. import offload
from ..answer import Answer
from ..codecs.codec import Codec, StreamEncoder
from ..errors import NotAcceptable, TooLarge
from ..model import Model, SeededSample
from ..observability.registry import CounterRegistry
from ..observability.timing import RequestTiming
from ..repository.repository import Repository
from ..requests import Limits, LogProbRequest, ModelSelector, Payload, SampleRequest, TransformRequest
from ..security import key_usage
from ..settings import Settings
from . import negotiation
from .disconnects import DisconnectWatcher
from .request_context import Header, HttpResponse, RequestContext

HEADER_NAMES: Final = {
    name: f"diffeo-{name.replace('_', '-')}".encode()
    for name in ("precision", "seed", "start", "next_start", "temperature")
}


@dataclass(frozen=True, slots=True)
class Inference:
    """The handlers of the three operations, over one repository."""

    repository: Repository
    settings: Settings
    limits: Limits
    disconnects: DisconnectWatcher
    counters: CounterRegistry

    async def sample(self, request: RequestContext) -> HttpResponse:
        """Draw rows."""
        deadline = request.deadline(self.settings.timeout_seconds)
        payload, codec = await self._receive(request)
        model = self._find_model(request, payload)
        sample_request = SampleRequest.parse(payload, self.limits)
        request.rows = sample_request.num_samples
        key_usage.charge(request.scope, request.rows)
        _check_output_count(codec, sample_request.outputs)
        seeded = model.with_seed(sample_request)
        if sample_request.num_samples > min(model.block_rows, self.settings.max_json_samples):
            stream = codec.stream_encoder(model.schema(seeded))
            if stream is None:
                _check_num_samples(codec, sample_request.num_samples, self.settings.max_json_samples)
            elif sample_request.num_samples > model.block_rows:
                return await self._stream(request, codec, stream, model, seeded, deadline)
        return await _respond(request, codec, await model.sample(seeded, deadline, request.timing, request.client))

    async def log_prob(self, request: RequestContext) -> HttpResponse:
        """Compute the log density of rows."""
        deadline = request.deadline(self.settings.timeout_seconds)
        payload, codec = await self._receive(request)
        model = self._find_model(request, payload)
        log_prob_request = LogProbRequest.parse(payload, model.manifest, self.limits)
        answer = await model.log_prob(log_prob_request, deadline, request.timing, request.client)
        return await _respond(request, codec, answer)

    async def transform(self, request: RequestContext) -> HttpResponse:
        """Transform rows from x to z or from z to x."""
        deadline = request.deadline(self.settings.timeout_seconds)
        payload, codec = await self._receive(request)
        model = self._find_model(request, payload)
        payload = _with_one_output(payload, codec)
        transform_request = TransformRequest.parse(payload, model.manifest, self.limits)
        _check_output_count(codec, transform_request.outputs)
        answer = await model.transform(transform_request, deadline, request.timing, request.client)
        return await _respond(request, codec, answer)

    async def _receive(self, request: RequestContext) -> tuple[Payload, Codec]:
        body = await request.body(self.settings.max_body_bytes)
        self.disconnects.watch(request)
        request_codec = negotiation.request_codec(request, body)
        request.parameters = query = request.query()
        response_codec = negotiation.response_codec(request, query.pop("format", None), request_codec)
        if len(body) <= offload.DECODE_BYTES:
            return request_codec.decode(body, query), response_codec
        return await offload.in_thread(request_codec.decode, body, query), response_codec

    def _find_model(self, request: RequestContext, payload: Payload) -> Model:
        request.parameters = payload.parameters
        if payload.rows is not None:
            request.rows = len(payload.rows)
            key_usage.charge(request.scope, request.rows)
            request.hold(payload.rows.nbytes)
        request.model = model = self.repository.find(ModelSelector.parse(payload.parameters))
        request.counters = self.counters.counters_for(request.counters.operation, model)
        return model

    async def _stream(  # noqa: PLR0913, PLR0917  (a stream needs all of them)
        self,
        request: RequestContext,
        codec: Codec,
        stream: StreamEncoder,
        model: Model,
        seeded: SeededSample,
        deadline: float,
    ) -> HttpResponse:
        blocks = model.stream_blocks(seeded, deadline, request.timing, request.client)
        # An error in the first block can still be answered with its status, because nothing is sent yet.
        first = await anext(blocks)
        headers = _headers(codec, model.name, model.version, model.metadata(seeded))
        if stream.content_length is not None:
            # With a Content-Length every client sees that a stream which breaks off is incomplete.
            headers.append((b"content-length", b"%d" % stream.content_length))
        return HttpResponse(200, headers, blocks=_encode_stream(request.timing, stream, first, blocks))


def _check_output_count(codec: Codec, outputs: tuple[str, ...]) -> None:
    # The codec raises the same error, but only after the answer is computed.
    if codec.single_array and len(outputs) > 1:
        names = ", ".join(outputs)
        raise NotAcceptable.at("/return", f"{codec.name} holds one array and return lists {names}; list one of them")


def _check_num_samples(codec: Codec, num_samples: int, limit: int) -> None:
    if num_samples > limit:
        detail = (
            f"num_samples is {num_samples}; {codec.name} holds at most {limit} (DIFFEO_MAX_JSON_SAMPLES): "
            "use npy, or page with start"
        )
        raise TooLarge.at("/num_samples", detail)


def _with_one_output(payload: Payload, codec: Codec) -> Payload:
    # A format that holds one array gets the transformed rows, unless the client names another output.
    if not codec.single_array or "return" in payload.parameters:
        return payload
    image = {"forward": "z", "inverse": "x"}.get(str(payload.parameters.get("direction")), "z")
    parameters = {**payload.parameters, "return": [image]}
    return payload._replace(parameters=parameters)


async def _respond(request: RequestContext, codec: Codec, answer: Answer) -> HttpResponse:
    rows = len(next(iter(answer.tensors.values())))
    values = rows * len(answer.columns) * len(answer.tensors)
    timing = request.timing
    timing.rows, timing.invalid_rows = rows, len(answer.invalid_rows)
    timing.encode_started = perf_counter()
    content = codec.encode(answer) if values <= offload.ENCODE_VALUES else await offload.in_thread(codec.encode, answer)
    timing.encode_seconds = perf_counter() - timing.encode_started
    headers = _headers(codec, answer.model, answer.version, answer.metadata)
    request.hold(len(content))
    headers.append((b"content-length", b"%d" % len(content)))
    if answer.invalid_rows:
        headers.append((b"diffeo-invalid-rows", b"%d" % len(answer.invalid_rows)))
    return HttpResponse(200, headers, content)


async def _encode_stream(
    timing: RequestTiming, stream: StreamEncoder, first: Tensors, blocks: AsyncGenerator[Tensors, None]
) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(blocks):
        yield stream.header()
        timing.encode_started = perf_counter()
        content = await _encode_block(timing, stream, first)
        timing.encode_seconds = perf_counter() - timing.encode_started
        yield content
        async for block in blocks:
            yield await _encode_block(timing, stream, block)
    if footer := stream.footer():
        yield footer


async def _encode_block(timing: RequestTiming, stream: StreamEncoder, tensors: Tensors) -> bytes:
    timing.rows += len(next(iter(tensors.values())))
    values = sum(tensor.size for tensor in tensors.values())
    return stream.block(tensors) if values <= offload.ENCODE_VALUES else await offload.in_thread(stream.block, tensors)


def _headers(codec: Codec, model: str, version: int, metadata: Mapping[str, object]) -> list[Header]:
    # Binary formats cannot hold metadata such as the seed, so the headers have it. JSON answers have the same headers.
    headers = [*_fixed_headers(codec.media_type, model, version)]
    headers.extend((HEADER_NAMES[name], str(metadata[name]).encode()) for name in metadata.keys() & HEADER_NAMES.keys())
    return headers


@functools.lru_cache
def _fixed_headers(media_type: str, model: str, version: int) -> tuple[Header, ...]:
    return (
        (b"content-type", media_type.encode()),
        (b"diffeo-model", model.encode()),
        (b"diffeo-version", b"%d" % version),
    )
