"""One served version of one model: what its density means, on top of batchers that only move rows."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bundle import base
from bundle.base import SEED_LIMIT
from bundle.manifest import Manifest
from bundle.read import Bundle
from service.answer import Answer, InvalidRow
from service.batcher import Batcher
from service.engines import ENGINES
from service.errors import Fault, InvalidRequest
from service.requests import LADJ, LogProbRequest, OnInvalid, SampleRequest, TransformRequest
from service.settings import Settings

Rows = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Tensors = Mapping[str, Rows]

# Rows drawn and computed before the next are drawn: enough chunks for every thread, little enough memory.
PIECE_CHUNKS: Final = 16
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

    async def log_prob(self, request: LogProbRequest) -> Answer:
        """Exact log density of each row, nats."""
        x, finite = self._clean(request.x, self._dtype)
        tensors = await self.forward.run(x) if len(x) else self._nothing("z")
        return self._answer({"log_prob": tensors["log_prob"]}, finite, request.on_invalid, "x")

    async def transform(self, request: TransformRequest) -> Answer:
        """z = f(x) or x = f^-1(z), with the log|det| of that direction."""
        forward = request.direction == "forward"
        source, image = ("x", "z") if forward else ("z", "x")
        batcher = self.forward if forward else self.inverse
        rows, finite = self._clean(request.rows, self._dtype if forward else np.dtype(np.float32))
        tensors = await batcher.run(rows) if len(rows) else self._nothing(image)
        return self._answer({part: tensors[part] for part in request.parts}, finite, request.on_invalid, source)

    def settle(self, request: SampleRequest) -> Draw:
        """Fix the seed: the client's, or a fresh one that the answer names."""
        return Draw(secrets.randbelow(SEED_LIMIT) if request.seed is None else request.seed, request)

    async def sample(self, draw: Draw) -> Answer:
        """All rows of a draw at once."""
        pieces = [piece async for piece in self.pieces(draw)]
        tensors = {part: np.concatenate([piece[part] for piece in pieces]) for part in draw.request.parts}
        finite = np.ones(draw.request.num_samples, dtype=np.bool_)
        return self._answer(tensors, finite, "null", "x", self.facts(draw))

    def facts(self, draw: Draw) -> dict[str, object]:
        """What a sample's answer says besides the rows: enough to draw the same rows, or the next ones."""
        request = draw.request
        facts: dict[str, object] = {
            "columns": list(self.manifest.columns),
            "seed": draw.seed,
            "start": request.start,
            "next_start": request.start + request.num_samples,
        }
        if request.temperature != 1:
            facts["temperature"] = request.temperature
        return facts

    async def pieces(self, draw: Draw) -> AsyncIterator[Tensors]:
        """The rows of a draw, piece after piece, with flat memory; NaN where the flow has no finite answer."""
        request = draw.request
        end = request.start + request.num_samples
        for start in range(request.start, end, self.piece_rows):
            count = min(self.piece_rows, end - start)
            yield await self._piece(draw, start, count)

    async def _piece(self, draw: Draw, start: int, count: int) -> Tensors:
        temperature = draw.request.temperature
        loop = asyncio.get_running_loop()
        dimension = self.manifest.dimension
        z = await loop.run_in_executor(self.executor, base.draw, draw.seed, start, count, dimension, temperature)
        answer = await self.inverse.run(z)
        tensors = {"x": answer["x"], "log_prob": answer["log_prob"], "z": z}
        if temperature != 1:
            tensors["log_prob"] = base.tempered(answer["log_prob"], z, temperature)
        wanted = {part: tensors[part] for part in draw.request.parts}
        good = _answered(wanted, count)
        return wanted if good.all() else {part: _blanked(tensor, good) for part, tensor in wanted.items()}

    @property
    def _dtype(self) -> np.dtype[np.floating]:
        return np.dtype(self.manifest.dtype)

    def _clean(self, rows: Rows, dtype: np.dtype[np.floating]) -> tuple[Rows, Mask]:
        # A value beyond float32 becomes infinite here, and its row invalid, which is what it is to the graph.
        with np.errstate(over="ignore"):
            narrow = rows.astype(dtype, copy=False)
        finite: Mask = np.asarray(np.isfinite(narrow).all(axis=1))
        return (narrow if finite.all() else np.where(finite[:, None], narrow, dtype.type(0))), finite

    def _nothing(self, image: str) -> Tensors:
        # Engines are never asked for zero rows; some cannot answer that.
        nobody = np.empty(0, dtype=np.float32)
        return {image: np.empty((0, self.manifest.dimension), np.float32), LADJ: nobody, "log_prob": nobody}

    def _answer(
        self,
        tensors: Tensors,
        finite: Mask,
        on_invalid: OnInvalid,
        source: str,
        facts: Mapping[str, object] | None = None,
    ) -> Answer:
        answered = _answered(tensors, len(finite))
        good = finite & answered
        if good.all():
            return Answer(self.name, self.version, tensors, facts or {})
        invalid = tuple(
            InvalidRow(int(row), "non_finite_output" if finite[row] else "non_finite_input")
            for row in np.flatnonzero(~good)
        )
        if on_invalid == "error":
            faults = [Fault(f"/{source}/{row.row}", row.reason) for row in invalid[:FAULTS_SHOWN]]
            raise InvalidRequest(f"{len(invalid)} of {len(finite)} rows have no finite answer", faults)
        blank = {name: _blanked(tensor, good) for name, tensor in tensors.items()}
        return Answer(self.name, self.version, blank, facts or {}, invalid)


def load(bundle: Bundle, name: str, version: int, settings: Settings, executor: Executor) -> Model:
    """Load a bundle's graphs, prove them on the golden vectors, and put batchers in front.

    Raises:
        EngineFailed: a graph does not load or run.
        ProviderMissing: the settings ask for a device that is not here.
        GoldenDisagrees: the runtime computes other numbers than the bundle was certified with.
    """
    forward, inverse = ENGINES[settings.engine](bundle.files, settings)
    vectors = bundle.golden
    vectors.check_forward(forward.run({"x": vectors.x.astype(bundle.manifest.dtype)}))
    vectors.check_inverse(inverse.run({"z": vectors.z.astype(np.float32)}))
    threads, chunk = settings.threads, settings.chunk_rows
    return Model(
        name,
        version,
        bundle.manifest,
        bundle.digest,
        Batcher(forward, "x", executor, threads, chunk),
        Batcher(inverse, "z", executor, threads, chunk),
        executor,
        chunk * PIECE_CHUNKS,
    )


def _answered(tensors: Tensors, rows: int) -> Mask:
    good = np.ones(rows, dtype=np.bool_)
    for tensor in tensors.values():
        finite = np.isfinite(tensor)
        good &= finite if finite.ndim == 1 else finite.all(axis=1)
    return good


def _blanked(tensor: Rows, good: Mask) -> Rows:
    keep = good if tensor.ndim == 1 else good[:, None]
    return np.where(keep, tensor, tensor.dtype.type(np.nan))
