"""POST /v2/models/{model}/infer: the protocol's one verb, answered by that of ours whose face the model is."""

import math
import time
from time import perf_counter
from typing import Final, NamedTuple

from ... import offload
from ...answer import Answer
from ...codecs.parsing.inflate import CONTENT_ENCODINGS, inflate
from ...codecs.v2 import request, response
from ...codecs.v2.request import InferRequest
from ...codecs.v2.response import ResponseBody
from ...codecs.v2.signature import Signature
from ...errors import InvalidRequest, TooLarge, UnsupportedFormat, listed
from ...model import Model
from ...observability.statistics import Clock, Spent, Tally
from ...observability.timing import RequestTiming
from ...requests import LogProbRequest, ModelSelector, Parameters, Payload, SampleRequest, TransformRequest
from ..inference import Inference
from ..request_context import Header, Reply, RequestContext
from . import protocol_model
from .problems import JSON
from .protocol_model import LOG_PROB, NUM_SAMPLES, SAMPLE, ProtocolModel

LENGTH: Final = b"inference-header-content-length"
BYTES: Final = b"application/octet-stream"
IDENTITY: Final = "identity"
MICROSECONDS: Final = 1_000_000
# Those that every request may have, beside its face's own.
COMMON: Final = frozenset({"precision", "timeout"})
# Of what an answer says beside its tensors, that which can be a parameter of the protocol.
FACTS: Final = ("precision", "seed", "start", "next_start", "temperature")
SHOWN_NAME: Final = 64


class Asked(NamedTuple):
    """What a request says before its body is read."""

    face: ProtocolModel
    address: ModelSelector
    body: bytes
    length: bytes | None
    deadline: float


class Infer:
    """The verb over one repository.

    Args:
        inference: the native verbs; their repository is asked anew by each request.
        tally: counts what was asked.
    """

    def __init__(self, inference: Inference, tally: Tally) -> None:
        self._repository = inference.repository
        self._settings = inference.settings
        self._limits = inference.limits
        self._disconnects = inference.disconnects
        self._metrics = inference.metrics
        self._tally = tally

    async def answer(self, http: RequestContext, name: str, version: int | None) -> Reply:
        """The outputs of one request."""
        deadline = http.deadline(self._settings.timeout_seconds)
        flow, kind = protocol_model.parse(name)
        http.meter = self._metrics.verb(kind.verb)
        asked = Asked(kind, ModelSelector(flow, version), await self._body(http), http.headers.get(LENGTH), deadline)
        self._disconnects.watch(http)
        model = self._repository.find(asked.address)
        http.meter = self._metrics.meet(kind.verb, model)
        http.scope["state"]["log"] = {"model": name, "version": model.version}
        clock = Clock()
        try:
            reply, rows, spent = await self._answer(asked, model, clock, http.timing)
        except Exception:
            self._tally.refused((name, model.version), clock.total())
            raise
        self._tally.answered((name, model.version), rows, spent)
        http.scope["state"]["log"]["rows"] = rows
        return reply

    async def _answer(
        self, asked: Asked, model: Model, clock: Clock, timing: RequestTiming
    ) -> tuple[Reply, int, Spent]:
        call = await _decoded(asked, asked.face.signature(model.manifest))
        _check_names(call.parameters, asked.face)
        deadline = min(asked.deadline, _timeout(call.parameters))
        read = clock.lap()
        precise = self._precise(asked, model, call.parameters)
        answer = await self._compute(asked, precise, call, deadline, timing)
        computed = clock.lap()
        timing.encoding = perf_counter()
        encoded = await _encoded(asked.face, call, answer)
        timing.encode = perf_counter() - timing.encoding
        timing.rows, timing.invalid = len(next(iter(answer.tensors.values()))), len(answer.invalid_rows)
        queue = round(1e9 * (timing.taken - timing.admitted)) if timing.taken else 0
        spent = Spent(queue, read, computed - queue, clock.lap())
        return Reply(200, _headers(encoded), encoded.content), timing.rows, spent

    async def _body(self, http: RequestContext) -> bytes:
        limit = self._settings.max_body_bytes
        encoding = http.header(b"content-encoding", IDENTITY)
        if encoding not in CONTENT_ENCODINGS and encoding != IDENTITY:
            raise UnsupportedFormat(f"Content-Encoding must be {', '.join(CONTENT_ENCODINGS)} or {IDENTITY}")
        body = await http.packed_body(limit)
        # A few bytes can unpack to very many.
        return body if encoding == IDENTITY else await offload.in_thread(inflate, body, encoding, limit)

    def _precise(self, asked: Asked, model: Model, parameters: Parameters) -> Model:
        if "precision" not in parameters:
            return model
        named = ModelSelector.parse({"precision": parameters["precision"]})
        return self._repository.find(ModelSelector(asked.address.model, asked.address.version, named.precision))

    async def _compute(
        self, asked: Asked, model: Model, call: InferRequest, deadline: float, timing: RequestTiming
    ) -> Answer:
        own = {name: value for name, value in call.parameters.items() if name not in COMMON}
        if asked.face is SAMPLE:
            return await self._sample(model, call, own, deadline, timing)
        source = asked.face.source
        if asked.face is LOG_PROB:
            scored = LogProbRequest.parse(Payload(own, call.rows(source), source), model.manifest, self._limits)
            return await model.log_prob(scored, deadline, timing)
        own |= {"direction": asked.face.suffix, "return": _parts(call)}
        sent = TransformRequest.parse(Payload(own, call.rows(source), source), model.manifest, self._limits)
        return await model.transform(sent, deadline, timing)

    async def _sample(
        self, model: Model, call: InferRequest, own: Parameters, deadline: float, timing: RequestTiming
    ) -> Answer:
        tensor = call.inputs.get(NUM_SAMPLES)
        if tensor is not None and NUM_SAMPLES in own:
            raise InvalidRequest(f"{NUM_SAMPLES} is given as an input and as a parameter; give one")
        number = {} if tensor is None else {NUM_SAMPLES: int(tensor[0])}
        drawn = SampleRequest.parse(Payload({**own, **number, "return": _parts(call)}), self._limits)
        if drawn.num_samples > self._settings.max_json_samples:
            detail = f"an answer of the protocol holds at most {self._settings.max_json_samples}: page with start"
            raise TooLarge(f"{NUM_SAMPLES} is {drawn.num_samples}; {detail}")
        return await model.sample(model.with_seed(drawn), deadline, timing)


async def _decoded(asked: Asked, signature: Signature) -> InferRequest:
    if len(asked.body) <= offload.DECODE_BYTES:
        return request.decode(asked.body, asked.length, signature)
    return await offload.in_thread(request.decode, asked.body, asked.length, signature)


async def _encoded(kind: ProtocolModel, call: InferRequest, answer: Answer) -> ResponseBody:
    written = sum(answer.tensors[output.name].size for output in call.outputs if not output.binary)
    copied = sum(answer.tensors[output.name].nbytes for output in call.outputs if output.binary)
    arguments = _facts(kind, call, answer), call.outputs, answer.tensors
    if written <= offload.ENCODE_VALUES and copied <= offload.COPY_BYTES:
        return response.encode(*arguments)
    return await offload.in_thread(response.encode, *arguments)


def _facts(kind: ProtocolModel, call: InferRequest, answer: Answer) -> dict[str, object]:
    facts: dict[str, object] = {"model_name": kind.name(answer.model), "model_version": str(answer.version)}
    if call.id is not None:
        facts["id"] = call.id
    parameters = {name: answer.metadata[name] for name in FACTS if name in answer.metadata}
    if answer.invalid_rows:
        parameters["invalid_rows"] = len(answer.invalid_rows)
    return {**facts, "parameters": parameters} if parameters else facts


def _headers(body: ResponseBody) -> list[Header]:
    length = (b"content-length", b"%d" % len(body.content))
    if body.json_size is None:
        return [(b"content-type", JSON), length]
    return [(b"content-type", BYTES), (LENGTH, b"%d" % body.json_size), length]


def _parts(call: InferRequest) -> list[str]:
    return [output.name for output in call.outputs]


def _check_names(parameters: Parameters, kind: ProtocolModel) -> None:
    takes = kind.parameters | COMMON
    for name in parameters:
        if name not in takes:
            raise InvalidRequest(f"parameter {ascii(name)[:SHOWN_NAME]} is unknown; there is {listed(sorted(takes))}")


def _timeout(parameters: Parameters) -> float:
    wish = parameters.get("timeout", 0)
    if type(wish) is not int or wish < 0:
        raise InvalidRequest("timeout must be a whole number of microseconds; 0 stands for none of its own")
    return time.monotonic() + wish / MICROSECONDS if wish else math.inf
