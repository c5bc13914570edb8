"""POST /sample, /log_prob and /transform: receives a request, computes its answer, and encodes or streams it."""

import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final, NamedTuple

from diffeo.runtime.finite_rows import Tensors

from .. import offload
from ..admission.body_rows import rows_at_least
from ..admission.work_ahead import WorkAhead
from ..answer import Answer
from ..batcher import Batcher
from ..codecs.codec import Codec, StreamEncoder
from ..codecs.json import parameters_in_query
from ..errors import NotAcceptable, TooLarge
from ..model import Model, SeededSample
from ..observability.registry import CounterRegistry
from ..observability.timing import RequestTiming
from ..query import read_query
from ..repository.repository import Repository
from ..requests import (
    Limits,
    LogProbRequest,
    ModelSelector,
    Parameters,
    Payload,
    SampleRequest,
    TransformRequest,
)
from ..settings import Settings
from . import negotiation
from .disconnects import DisconnectWatcher
from .request_context import Header, HttpResponse, RequestContext

HEADER_NAMES: Final = {
    name: f"diffeo-{name.replace('_', '-')}".encode()
    for name in ("precision", "seed", "start", "next_start", "temperature")
}
# If an answer has invalid rows, JSON encodes its rows one by one, in blocks. Each entry of such a row takes memory too.
SINGLE_ROW_BYTES: Final = 6 * 1024
SINGLE_ROWS: Final = 4096
INVALID_ROW_BYTES: Final = 512


NPY: Final = "npy"


class BodyWork(NamedTuple):
    """The estimated seconds of work of a body that is not read yet, and its model; empty if the body names it."""

    seconds: float
    model: str


class BodyHead(NamedTuple):
    """The facts about a body that the head of its request tells."""

    codec: Codec
    length: int
    query: dict[str, str]


GraphOf = Callable[[Model, Parameters], Batcher]


@dataclass(frozen=True, slots=True)
class Inference:
    """The handlers of the three operations, over one repository."""

    repository: Repository
    work: WorkAhead
    settings: Settings
    limits: Limits
    disconnects: DisconnectWatcher
    counters: CounterRegistry

    async def sample(self, request: RequestContext) -> HttpResponse:
        """Draw rows."""
        deadline = request.deadline(self.settings.timeout_seconds)
        payload, codec = await self._receive(request, deadline)
        model = self._find_model(request, payload)
        sample_request = SampleRequest.parse(payload, self.limits)
        request.charge(sample_request.num_samples)
        _check_output_count(codec, sample_request.outputs)
        seeded = model.with_seed(sample_request)
        if sample_request.num_samples > min(model.block_rows, self.settings.max_json_samples):
            stream = codec.stream_encoder(model.schema(seeded))
            if stream is None:
                _check_num_samples(codec, sample_request.num_samples, self.settings.max_json_samples)
            elif sample_request.num_samples > model.block_rows:
                return await self._stream(request, codec, stream, model, seeded, deadline)
        request.hold_values(sample_request.num_samples, model.manifest.dimension)
        return await _respond(request, codec, await model.sample(seeded, deadline, request.timing, request.client))

    async def log_prob(self, request: RequestContext) -> HttpResponse:
        """Compute the log density of rows."""
        deadline = request.deadline(self.settings.timeout_seconds)
        payload, codec = await self._receive(request, deadline, _log_prob_graph)
        model = self._find_model(request, payload)
        log_prob_request = LogProbRequest.parse(payload, model.manifest, self.limits)
        answer = await model.log_prob(log_prob_request, deadline, request.timing, request.client)
        return await _respond(request, codec, answer)

    async def transform(self, request: RequestContext) -> HttpResponse:
        """Transform rows from x to z or from z to x."""
        deadline = request.deadline(self.settings.timeout_seconds)
        payload, codec = await self._receive(request, deadline, _transform_graph)
        model = self._find_model(request, payload)
        payload = _with_one_output(payload, codec)
        transform_request = TransformRequest.parse(payload, model.manifest, self.limits)
        _check_output_count(codec, transform_request.outputs)
        answer = await model.transform(transform_request, deadline, request.timing, request.client)
        return await _respond(request, codec, answer)

    async def _receive(
        self, request: RequestContext, deadline: float, graph: GraphOf | None = None
    ) -> tuple[Payload, Codec]:
        """The decoded request and the codec of its response; `graph` finds what computes the rows, if it takes rows.

        All that the head tells is checked before the body is read.
        """
        limit = self.settings.max_body_bytes
        length = request.announced_bytes(limit)
        request.check_encoding()
        codec = negotiation.request_codec(request)
        request.parameters = query = request.query()
        response_codec = negotiation.response_codec(request, query.pop("format", None), codec)
        if codec is negotiation.JSON:
            if query:
                raise parameters_in_query()
            work = self._work_of_json(length)
        else:
            work = self._work_of_table(request, BodyHead(codec, length, query), graph)
        check_start = None
        if work is not None:
            self.work.check(request.client, work.seconds, deadline, work.model)
            if work.seconds and codec.name == NPY:
                check_start = functools.partial(self._check_start_of_npy, request, work, length, deadline)
        body = await request.raw_body(limit, check_start)
        self.disconnects.watch(request)
        if body and codec is negotiation.QUERY_ONLY and b"content-type" not in request.headers:
            raise negotiation.unsupported_format()
        if codec.unpacked_bytes(body) <= codec.inline_bytes:
            return codec.decode(body, query, self.limits), response_codec
        return await self._decode_in_thread(request, codec, body, query, work), response_codec

    def _work_of_json(self, length: int) -> BodyWork | None:
        # The body names the model, so the least work is that of the fastest model.
        fastest = self.repository.fastest
        if length <= offload.DECODE_BYTES or fastest is None:
            return None
        rows = rows_at_least(length, negotiation.JSON.name, fastest.manifest.dimension)
        return BodyWork(rows * fastest.manifest.dimension * fastest.seconds_per_number, "")

    def _work_of_table(self, request: RequestContext, head: BodyHead, graph: GraphOf | None) -> BodyWork | None:
        parameters = read_query(head.query)
        model = self._find_model(request, Payload(parameters))
        if graph is None:
            SampleRequest.parse(Payload(parameters), self.limits)
            return None
        batcher = graph(model, parameters)
        rows = rows_at_least(head.length, head.codec.name, model.manifest.dimension)
        return BodyWork(batcher.work_seconds(rows), model.name)

    def _check_start_of_npy(
        self, request: RequestContext, work: BodyWork, length: int, deadline: float, start: bytes
    ) -> None:
        # The head of the body names the type of the numbers: only now is their number known.
        seconds = work.seconds * rows_at_least(length, NPY, 1, start) / rows_at_least(length, NPY, 1)
        self.work.check(request.client, seconds, deadline, work.model)

    async def _decode_in_thread(
        self, request: RequestContext, codec: Codec, body: bytes, query: dict[str, str], work: BodyWork | None
    ) -> Payload:
        # While a large body is decoded, its work counts for the requests that arrive meanwhile.
        reservation = self.work.reserve(request.client, 1, 0.0 if work is None else work.seconds)
        try:
            with request.hold_meanwhile(codec.unpacked_bytes(body) * codec.decode_multiple):
                return await offload.in_thread(codec.decode, body, query, self.limits)
        finally:
            reservation.release()

    def _find_model(self, request: RequestContext, payload: Payload) -> Model:
        request.parameters = payload.parameters
        if payload.rows is not None:
            request.charge(len(payload.rows))
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


def _log_prob_graph(model: Model, parameters: Parameters) -> Batcher:
    LogProbRequest.check_parameters(parameters)
    return model.forward


def _transform_graph(model: Model, parameters: Parameters) -> Batcher:
    return model.forward if TransformRequest.check_parameters(parameters) == "forward" else model.inverse


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
    is_small = values <= offload.ENCODE_VALUES
    content = codec.encode(answer) if is_small else await _encode_in_thread(request, codec, answer)
    timing.encode_seconds = perf_counter() - timing.encode_started
    headers = _headers(codec, answer.model, answer.version, answer.metadata)
    request.hold(len(content))
    headers.append((b"content-length", b"%d" % len(content)))
    if answer.invalid_rows:
        headers.append((b"diffeo-invalid-rows", b"%d" % len(answer.invalid_rows)))
    return HttpResponse(200, headers, content)


def encoding_bytes(codec: Codec, answer: Answer) -> int:
    """The most bytes of memory that encoding a large answer takes, a fixed part aside."""
    size = sum(tensor.nbytes for tensor in answer.tensors.values()) * codec.encode_multiple
    if answer.invalid_rows:
        rows = len(next(iter(answer.tensors.values())))
        size += min(rows, SINGLE_ROWS) * SINGLE_ROW_BYTES + len(answer.invalid_rows) * INVALID_ROW_BYTES
    return size


async def _encode_in_thread(request: RequestContext, codec: Codec, answer: Answer) -> bytes:
    with request.hold_meanwhile(encoding_bytes(codec, answer)):
        return await offload.in_thread(codec.encode, answer)


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
