"""POST /v2/models/{model}/infer: computes the answer with the native operation that belongs to the protocol model."""

import math
import time
from dataclasses import replace
from time import perf_counter
from typing import Final, NamedTuple

from ... import offload
from ...admission.body_rows import rows_at_least
from ...answer import Answer
from ...codecs.parsing.inflate import CONTENT_ENCODINGS, inflate
from ...codecs.v2 import request as v2_request
from ...codecs.v2 import response as v2_response
from ...codecs.v2.request import InferRequest
from ...codecs.v2.response import ResponseBody
from ...codecs.v2.signature import Signature
from ...errors import InvalidRequest, TooLarge, UnsupportedFormat, listed
from ...model import Model
from ...requests import Limits, LogProbRequest, ModelSelector, Parameters, Payload, SampleRequest, TransformRequest
from ..inference import Inference
from ..request_context import Header, HttpResponse, RequestContext
from .address import ModelPath
from .problems import JSON
from .protocol_model import INVERSE, LOG_PROB, NUM_SAMPLES, SAMPLE, ProtocolModel

JSON_LENGTH: Final = b"inference-header-content-length"
BYTES: Final = b"application/octet-stream"
IDENTITY: Final = "identity"
MICROSECONDS: Final = 1_000_000
# Parameters that every request may have, beside those of its protocol model.
COMMON_PARAMETERS: Final = frozenset({"precision", "timeout"})
# Metadata of an answer that become parameters of the response.
METADATA: Final = ("precision", "seed", "start", "next_start", "temperature")
MAX_SHOWN_NAME: Final = 64


class UndecodedRequest(NamedTuple):
    """A request whose body is received and not decoded yet.

    Attributes:
        kind: the protocol model that its path names.
        selector: the flow and version that its path names.
        body: the body, not compressed.
        json_length: the value of Inference-Header-Content-Length; None without this header.
        deadline: when the response must be ready, in monotonic time.
    """

    kind: ProtocolModel
    selector: ModelSelector
    body: bytes
    json_length: bytes | None
    deadline: float


class Infer:
    """The handler of inference.

    Args:
        inference: the native operations; their repository, limits and counters are used here too.
    """

    def __init__(self, inference: Inference) -> None:
        self._repository = inference.repository
        self._settings = inference.settings
        self._limits = inference.limits
        self._disconnects = inference.disconnects
        self._counters = inference.counters

    async def infer(self, request: RequestContext) -> HttpResponse:
        """The output tensors of one request."""
        deadline = request.deadline(self._settings.timeout_seconds)
        path = ModelPath.of(request)
        request.counters = self._counters.unmatched(path.kind.operation)
        request.model = model = self._repository.find(path.selector)
        request.counters = self._counters.counters_for(path.kind.operation, model, path.name)
        length = request.announced_bytes(self._settings.max_body_bytes)
        graph = model.inverse if path.kind in {SAMPLE, INVERSE} else model.forward
        # Numbers in JSON take more bytes than binary ones, so this holds for both.
        rows = 0 if path.kind is SAMPLE else rows_at_least(length, "json", model.manifest.dimension)
        if rows:
            graph.check(rows, deadline, request.client)
        body = await self._body(request)
        request.timing.received = perf_counter()
        undecoded = UndecodedRequest(path.kind, path.selector, body, request.headers.get(JSON_LENGTH), deadline)
        self._disconnects.watch(request)
        # While a large body is decoded, its work counts for the requests that arrive meanwhile.
        reservation = graph.reserve(rows, request.client) if rows else None
        try:
            parsed = await _decode(request, undecoded, undecoded.kind.signature(model.manifest), self._limits)
        finally:
            if reservation is not None:
                reservation.release()
        return await self._respond(request, undecoded, model, parsed)

    async def _respond(
        self, request: RequestContext, undecoded: UndecodedRequest, model: Model, parsed: InferRequest
    ) -> HttpResponse:
        _check_names(parsed.parameters, undecoded.kind)
        deadline = min(undecoded.deadline, _deadline(parsed.parameters))
        model = self._in_precision(undecoded, model, parsed.parameters)
        answer = await self._compute(request, undecoded.kind, model, parsed, deadline)
        timing = request.timing
        timing.encode_started = perf_counter()
        encoded = await _encode(request, undecoded.kind, parsed, answer)
        timing.encode_seconds = perf_counter() - timing.encode_started
        request.hold(len(encoded.content))
        timing.rows, timing.invalid_rows = len(next(iter(answer.tensors.values()))), len(answer.invalid_rows)
        return HttpResponse(200, _headers(encoded), encoded.content)

    async def _body(self, request: RequestContext) -> bytes:
        limit = self._settings.max_body_bytes
        encoding = request.header(b"content-encoding", IDENTITY)
        if encoding not in CONTENT_ENCODINGS and encoding != IDENTITY:
            raise UnsupportedFormat(f"Content-Encoding must be {', '.join(CONTENT_ENCODINGS)} or {IDENTITY}")
        body = await request.raw_body(limit)
        # A few compressed bytes can expand to very many, so inflate has the same limit.
        if encoding == IDENTITY:
            return body
        inflated = await offload.in_thread(inflate, body, encoding, limit)
        request.hold(len(inflated))
        return inflated

    def _in_precision(self, undecoded: UndecodedRequest, model: Model, parameters: Parameters) -> Model:
        if "precision" not in parameters:
            return model
        precision = ModelSelector.parse({"precision": parameters["precision"]}).precision
        return self._repository.find(replace(undecoded.selector, precision=precision))

    async def _compute(
        self, request: RequestContext, kind: ProtocolModel, model: Model, parsed: InferRequest, deadline: float
    ) -> Answer:
        parameters = {name: value for name, value in parsed.parameters.items() if name not in COMMON_PARAMETERS}
        if kind is SAMPLE:
            return await self._sample(request, model, parsed, parameters, deadline)
        rows = parsed.rows(kind.input_name)
        request.charge(len(rows))
        request.hold(rows.nbytes)
        if kind is LOG_PROB:
            payload = Payload(parameters, rows, kind.input_name)
            log_prob_request = LogProbRequest.parse(payload, model.manifest, self._limits)
            return await model.log_prob(log_prob_request, deadline, request.timing, request.client)
        payload = Payload({**parameters, "direction": kind.suffix, "return": _outputs(parsed)}, rows, kind.input_name)
        transform_request = TransformRequest.parse(payload, model.manifest, self._limits)
        return await model.transform(transform_request, deadline, request.timing, request.client)

    async def _sample(
        self,
        request: RequestContext,
        model: Model,
        parsed: InferRequest,
        parameters: Parameters,
        deadline: float,
    ) -> Answer:
        tensor = parsed.inputs.get(NUM_SAMPLES)
        if tensor is not None and NUM_SAMPLES in parameters:
            raise InvalidRequest(f"{NUM_SAMPLES} is given as an input and as a parameter; give one")
        number = {} if tensor is None else {NUM_SAMPLES: int(tensor[0])}
        payload = Payload({**parameters, **number, "return": _outputs(parsed)})
        sample_request = SampleRequest.parse(payload, self._limits)
        request.charge(sample_request.num_samples)
        limit = self._settings.max_json_samples
        if sample_request.num_samples > limit:
            raise TooLarge(
                f"{NUM_SAMPLES} is {sample_request.num_samples}; a response of this protocol holds at most {limit} "
                "(DIFFEO_MAX_JSON_SAMPLES): page with start"
            )
        request.hold_values(sample_request.num_samples, model.manifest.dimension)
        return await model.sample(model.with_seed(sample_request), deadline, request.timing, request.client)


async def _decode(
    request: RequestContext, undecoded: UndecodedRequest, signature: Signature, limits: Limits
) -> InferRequest:
    arguments = undecoded.body, undecoded.json_length, signature, limits
    if len(undecoded.body) <= offload.DECODE_BYTES:
        return v2_request.decode(*arguments)
    with request.hold_meanwhile(len(undecoded.body) * v2_request.DECODE_MULTIPLE):
        return await offload.in_thread(v2_request.decode, *arguments)


async def _encode(request: RequestContext, kind: ProtocolModel, parsed: InferRequest, answer: Answer) -> ResponseBody:
    written = sum(answer.tensors[output.name].size for output in parsed.outputs if not output.binary)
    copied = sum(answer.tensors[output.name].nbytes for output in parsed.outputs if output.binary)
    arguments = _metadata(kind, parsed, answer), parsed.outputs, answer.tensors
    if written <= offload.ENCODE_VALUES and copied <= offload.COPY_BYTES:
        return v2_response.encode(*arguments)
    texts = sum(answer.tensors[output.name].nbytes for output in parsed.outputs if not output.binary)
    with request.hold_meanwhile(texts * v2_response.TEXT_MULTIPLE + copied * v2_response.COPY_MULTIPLE):
        return await offload.in_thread(v2_response.encode, *arguments)


def _metadata(kind: ProtocolModel, parsed: InferRequest, answer: Answer) -> dict[str, object]:
    metadata: dict[str, object] = {"model_name": kind.name(answer.model), "model_version": str(answer.version)}
    if parsed.id is not None:
        metadata["id"] = parsed.id
    parameters = {name: answer.metadata[name] for name in METADATA if name in answer.metadata}
    if answer.invalid_rows:
        parameters["invalid_rows"] = len(answer.invalid_rows)
    return {**metadata, "parameters": parameters} if parameters else metadata


def _headers(body: ResponseBody) -> list[Header]:
    length = (b"content-length", b"%d" % len(body.content))
    if body.json_size is None:
        return [(b"content-type", JSON), length]
    return [(b"content-type", BYTES), (JSON_LENGTH, b"%d" % body.json_size), length]


def _outputs(parsed: InferRequest) -> list[str]:
    return [output.name for output in parsed.outputs]


def _check_names(parameters: Parameters, kind: ProtocolModel) -> None:
    known = kind.parameters | COMMON_PARAMETERS
    for name in parameters:
        if name not in known:
            shown = ascii(name)[:MAX_SHOWN_NAME]
            raise InvalidRequest(f"parameter {shown} is unknown; this model takes {listed(sorted(known))}")


def _deadline(parameters: Parameters) -> float:
    timeout = parameters.get("timeout", 0)
    if type(timeout) is not int or timeout < 0:
        raise InvalidRequest("timeout must be a whole number of microseconds; 0 means no timeout")
    return time.monotonic() + timeout / MICROSECONDS if timeout else math.inf
