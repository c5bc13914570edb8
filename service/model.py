"""One served version of one model: what its density means, on top of batchers that only move rows."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from diffeo.bundle import base
from diffeo.bundle.base import SEED_LIMIT
from diffeo.bundle.golden import Golden
from diffeo.bundle.manifest import VARIANT_FILES, Manifest, VariantName
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.bundle.read import Bundle
from diffeo.runtime.engines import ENGINES
from diffeo.runtime.engines.engine import Engine, Graphs
from diffeo.runtime.finite_rows import Mask, Rows, Tensors, all_finite, answered, blanked, cleaned

from .answer import Answer, AnswerSchema, InvalidRow
from .batcher import Batcher
from .errors import DeadlinePassed, FieldError, InvalidRequest, PrecisionNotFound, listed
from .observability.timing import RequestTiming
from .requests import LogProbRequest, OnInvalid, SampleRequest, TransformRequest
from .settings import Settings

# A piece of a sample takes about so long: the first byte soon, the work between two pieces little beside the piece.
PIECE_SECONDS: Final = 0.01
MAX_PIECE_CHUNKS: Final = 16
# Pieces under way beside the one that is sent.
AHEAD: Final = 1
# Fewer rows are drawn faster than a thread is woken.
INLINE_DRAW: Final = 256
# Fewer rows are looked through faster than a thread is woken.
INLINE_CLEAN: Final = 16_384
PACE_CALLS: Final = 3
FAULTS_SHOWN: Final = 16


@dataclass(frozen=True, slots=True)
class Draw:
    """A sample request with its seed settled."""

    seed: int
    request: SampleRequest


@dataclass(frozen=True, slots=True)
class Model:
    """A verified bundle, ready to answer.

    Attributes:
        name: what requests call it.
        version: what requests call this version of it.
        digest: sha256 of the manifest; the identity of the bundle.
        precision: what the two graphs compute in.
        variants: the same version in the other precisions of its bundle.
        forward: x to z, log_abs_det_jacobian, log_prob.
        inverse: z to x, log_abs_det_jacobian, log_prob.
    """

    name: str
    version: int
    manifest: Manifest
    digest: str
    forward: Batcher
    inverse: Batcher
    executor: Executor
    piece_rows: int
    precision: str
    variants: Mapping[str, "Model"] = field(default_factory=dict)

    def at(self, precision: str | None) -> "Model":
        """The same version computed in another precision; None is the one of the manifest.

        Raises:
            PrecisionNotFound: the bundle has no graphs for it, or its runtime here cannot compute them.
        """
        if precision is None or precision == self.precision:
            return self
        if precision not in self.variants:
            here = listed([self.precision, *self.variants])
            raise PrecisionNotFound(f"{self.name} version {self.version} is not served in that precision; here: {here}")
        return self.variants[precision]

    async def log_prob(
        self, request: LogProbRequest, deadline: float | None = None, timing: RequestTiming | None = None
    ) -> Answer:
        """Exact log density of each row, nats."""
        x, finite = await self._clean(request.x, self._dtype)
        tensors = await self.forward.run(x, deadline, timing) if len(x) else self._nothing("z")
        return self._answer({"log_prob": tensors["log_prob"]}, finite, request.on_invalid, "x", self._spoken)

    async def transform(
        self, request: TransformRequest, deadline: float | None = None, timing: RequestTiming | None = None
    ) -> Answer:
        """z = f(x) or x = f^-1(z), with the log|det| of that direction."""
        forward = request.direction == "forward"
        source, image = ("x", "z") if forward else ("z", "x")
        batcher = self.forward if forward else self.inverse
        rows, finite = await self._clean(request.rows, self._dtype if forward else np.dtype(np.float32))
        tensors = await batcher.run(rows, deadline, timing) if len(rows) else self._nothing(image)
        wanted = {part: tensors[part] for part in request.outputs}
        return self._answer(wanted, finite, request.on_invalid, source, self._spoken)

    def settle(self, request: SampleRequest) -> Draw:
        """Fix the seed: the client's, or a fresh one that the answer names."""
        return Draw(secrets.randbelow(SEED_LIMIT) if request.seed is None else request.seed, request)

    async def sample(self, draw: Draw, deadline: float | None = None, timing: RequestTiming | None = None) -> Answer:
        """All rows of a draw at once.

        Raises:
            DeadlinePassed: not all were there at the deadline.
        """
        try:
            async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()):
                pieces = [piece async for piece in self.pieces(draw, None, timing)]
        except TimeoutError:
            raise DeadlinePassed("the deadline of this request passed before its rows were drawn") from None
        tensors = {part: _joined([piece[part] for piece in pieces]) for part in draw.request.outputs}
        return self._answer(tensors, None, "null", "x", self.facts(draw))

    async def probe(self) -> None:
        """Compute one row through each graph, on the threads that compute for requests."""
        row = np.zeros((1, self.manifest.dimension), np.float32)
        await asyncio.gather(self.forward.probe(row.astype(self._dtype)), self.inverse.probe(row))

    def facts(self, draw: Draw) -> dict[str, object]:
        """What a sample's answer says besides the rows: enough to draw the same rows, or the next ones."""
        request = draw.request
        facts: dict[str, object] = {
            **self._spoken,
            "columns": list(self.manifest.columns),
            "seed": draw.seed,
            "start": request.start,
            "next_start": request.start + request.num_samples,
        }
        if request.temperature != 1:
            facts["temperature"] = request.temperature
        return facts

    def outline(self, draw: Draw) -> AnswerSchema:
        """What is known of a draw before its rows are."""
        dtypes = {part: self._dtype if part == "x" else np.dtype(np.float32) for part in draw.request.outputs}
        return AnswerSchema(draw.request.num_samples, self.manifest.columns, dtypes)

    async def pieces(
        self, draw: Draw, deadline: float | None = None, timing: RequestTiming | None = None
    ) -> AsyncGenerator[Tensors, None]:
        """The rows of a draw, piece after piece, with flat memory; NaN where the flow has no finite answer.

        Args:
            draw: the rows.
            deadline: when the first piece must be there; who has it gets the others.
            timing: the request, to be stamped.
        """
        request = draw.request
        end = request.start + request.num_samples
        timing = timing or RequestTiming()
        ahead: deque[asyncio.Task[Tensors]] = deque()
        try:
            for start in range(request.start, end, self.piece_rows):
                first = deadline if start == request.start else None
                piece = self._piece(draw, start, min(self.piece_rows, end - start), first, timing)
                ahead.append(asyncio.ensure_future(piece))
                if len(ahead) > AHEAD:
                    yield await ahead.popleft()
            while ahead:
                yield await ahead.popleft()
        finally:
            for task in ahead:
                task.cancel()

    async def _piece(
        self, draw: Draw, start: int, count: int, deadline: float | None, timing: RequestTiming
    ) -> Tensors:
        temperature = draw.request.temperature
        arguments = draw.seed, start, count, self.manifest.dimension, temperature
        if count <= INLINE_DRAW:
            z = base.draw(*arguments)
        else:
            z = await asyncio.get_running_loop().run_in_executor(self.executor, base.draw, *arguments)
        answer = await self.inverse.run(z, deadline, timing)
        tensors = {"x": answer["x"], "log_prob": answer["log_prob"], "z": z}
        if temperature != 1:
            tensors["log_prob"] = base.tempered(answer["log_prob"], z, temperature)
        wanted = {part: tensors[part] for part in draw.request.outputs}
        if all_finite(wanted):
            return wanted
        good = answered(wanted, count)
        timing.invalid += count - int(np.count_nonzero(good))
        return {part: blanked(tensor, good) for part, tensor in wanted.items()}

    @property
    def _spoken(self) -> Mapping[str, object]:
        # A precision that is not the manifest's own is never answered in silence.
        return {} if self.precision == self.manifest.precision else {"precision": self.precision}

    @property
    def _dtype(self) -> np.dtype[np.floating]:
        return np.dtype(self.manifest.dtype)

    async def _clean(self, rows: Rows, dtype: np.dtype[np.floating]) -> tuple[Rows, Mask | None]:
        if not len(rows):
            return rows, None
        if len(rows) <= INLINE_CLEAN:
            return cleaned(rows, dtype)
        return await asyncio.get_running_loop().run_in_executor(self.executor, cleaned, rows, dtype)

    def _nothing(self, image: str) -> Tensors:
        # Engines are never asked for zero rows; some cannot answer that.
        nobody = np.empty(0, dtype=np.float32)
        return {
            image: np.empty((0, self.manifest.dimension), np.float32),
            LOG_ABS_DET_JACOBIAN: nobody,
            "log_prob": nobody,
        }

    def _answer(
        self,
        tensors: Tensors,
        finite: Mask | None,
        on_invalid: OnInvalid,
        source: str,
        facts: Mapping[str, object],
    ) -> Answer:
        columns = self.manifest.columns
        if finite is None and all_finite(tensors):
            return Answer(self.name, self.version, columns, tensors, facts)
        rows = len(next(iter(tensors.values())))
        finite = np.ones(rows, dtype=np.bool_) if finite is None else finite
        good = finite & answered(tensors, rows)
        invalid = tuple(
            InvalidRow(int(row), "non_finite_output" if finite[row] else "non_finite_input")
            for row in np.flatnonzero(~good)
        )
        if on_invalid == "error":
            faults = [FieldError(f"/{source}/{row.row}", row.reason) for row in invalid[:FAULTS_SHOWN]]
            raise InvalidRequest(f"{len(invalid)} of {rows} rows have no finite answer", faults)
        blank = {name: blanked(tensor, good) for name, tensor in tensors.items()}
        return Answer(self.name, self.version, columns, blank, facts, invalid)


def load(bundle: Bundle, name: str, version: int, settings: Settings, executor: Executor) -> Model:
    """Load a bundle's graphs, prove them on the golden vectors, and put batchers in front.

    Raises:
        EngineFailed: a graph does not load or run.
        ProviderMissing: the settings ask for a device that is not here.
        GoldenDisagrees: the runtime computes other numbers than the bundle was certified with.
    """
    own = _proven(bundle, name, version, settings, executor)
    # The variants are for the processor and its runtime; a GPU computes float32 faster than they do.
    if settings.engine != "onnx" or settings.execution_providers[0] != "cpu":
        return own
    return replace(own, variants={variant: _variant(own, variant, bundle, settings) for variant in bundle.variants})


def _proven(bundle: Bundle, name: str, version: int, settings: Settings, executor: Executor) -> Model:
    manifest = bundle.manifest
    there, back = _batchers(bundle.files, bundle.golden, manifest, settings, executor)
    pieces = _piece_rows(back.pace, settings)
    return Model(name, version, manifest, bundle.digest, there, back, executor, pieces, manifest.precision)


def _variant(own: Model, variant: VariantName, bundle: Bundle, settings: Settings) -> Model:
    trio = VARIANT_FILES[variant]
    # An engine knows a graph by its direction, whatever its file is called.
    graphs: Graphs = {"forward.onnx": bundle.files[trio.forward], "inverse.onnx": bundle.files[trio.inverse]}
    there, back = _batchers(graphs, bundle.variants[variant], bundle.manifest, settings, own.executor)
    return replace(own, forward=there, inverse=back, piece_rows=_piece_rows(back.pace, settings), precision=variant)


def _batchers(
    graphs: Graphs, vectors: Golden, manifest: Manifest, settings: Settings, executor: Executor
) -> tuple[Batcher, Batcher]:
    forward, inverse = ENGINES[settings.engine](graphs, settings.engine_options)
    x, z = vectors.x.astype(manifest.dtype), vectors.z.astype(np.float32)
    vectors.check_forward(forward.run({"x": x}))
    vectors.check_inverse(inverse.run({"z": z}))
    return _batcher(forward, "x", x, settings, executor), _batcher(inverse, "z", z, settings, executor)


def _batcher(engine: Engine, source: str, rows: Rows, settings: Settings, executor: Executor) -> Batcher:
    # The first calls of a runtime are slow; they belong to the start, and the last one tells the pace.
    chunk = np.resize(rows, (settings.chunk_rows, rows.shape[1]))
    seconds = min(_timed(engine, source, chunk) for _ in range(PACE_CALLS))
    return Batcher(
        engine, source, executor, settings.threads, settings.chunk_rows, settings.max_queue_rows, seconds / len(chunk)
    )


def _timed(engine: Engine, source: str, rows: Rows) -> float:
    began = time.perf_counter()
    engine.run({source: rows})
    return time.perf_counter() - began


def _piece_rows(pace: float, settings: Settings) -> int:
    chunks = round(PIECE_SECONDS * settings.threads / (pace * settings.chunk_rows))
    return settings.chunk_rows * max(1, min(chunks, MAX_PIECE_CHUNKS))


def _joined(parts: list[Rows]) -> Rows:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
