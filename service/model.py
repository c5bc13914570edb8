"""One served version of a model: log density, transforms and samples, computed by its two batchers."""

import asyncio
import functools
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from diffeo.bundle.base import SEED_LIMIT, Base, tempered
from diffeo.bundle.golden import Golden
from diffeo.bundle.manifest import Manifest
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.runtime.column_map import ColumnMap
from diffeo.runtime.finite_rows import Mask, Rows, Tensors, all_finite, finite_rows, nan_invalid_rows, zero_invalid_rows

from . import offload
from .answer import Answer, AnswerSchema, Reason, invalid_rows
from .batcher import Batcher
from .errors import FieldError, InvalidRequest, PrecisionNotFound, listed
from .observability.timing import RequestTiming
from .requests import LogProbRequest, OnInvalid, SampleRequest, TransformRequest

# Number of blocks of a stream that are computed while the previous block is sent.
BLOCKS_AHEAD: Final = 1
# The most invalid rows that an error lists.
INVALID_ROWS_LISTED: Final = 16


@dataclass(frozen=True, slots=True)
class SeededSample:
    """A sample request and its seed: the client's, or a fresh one if the request names none."""

    seed: int
    request: SampleRequest


@dataclass(frozen=True, slots=True)
class Model:
    """A verified bundle with its engines loaded.

    Attributes:
        name: name of the model in requests.
        version: version of the model in requests.
        manifest: the manifest of the bundle.
        digest: sha256 of the manifest; it identifies the bundle.
        base: distribution of z; samples are drawn from it.
        forward: computes z, log_abs_det_jacobian and log_prob from x.
        inverse: computes x, log_abs_det_jacobian and log_prob from z.
        executor: threads for work that would block the event loop.
        block_rows: rows of one block of a stream.
        precision: precision of the two graphs.
        variants: the same version in the other precisions of its bundle.
        row_bytes: most bytes that one of its graphs needs for each row of a batch.
        golden: rows with known results in the precision of the manifest; the canary computes them.
        column_map: around the graphs; None if all columns are plain. The batchers compute it.
    """

    name: str
    version: int
    manifest: Manifest
    digest: str
    base: Base
    forward: Batcher
    inverse: Batcher
    executor: Executor
    block_rows: int
    precision: str
    variants: Mapping[str, "Model"] = field(default_factory=dict)
    row_bytes: int = 0
    golden: Golden | None = None
    column_map: ColumnMap | None = None

    def in_precision(self, precision: str | None) -> "Model":
        """The same version in another precision; None means the precision of the manifest.

        Raises:
            PrecisionNotFound: the bundle has no graphs of that precision, or they are not served on this device.
        """
        if precision is None or precision == self.precision:
            return self
        if precision not in self.variants:
            served = listed([self.precision, *self.variants])
            raise PrecisionNotFound(
                f"{self.name} version {self.version} is not served in that precision; it is served in: {served}"
            )
        return self.variants[precision]

    @property
    def seconds_per_number(self) -> float:
        """Estimated seconds of all engines for one number of a row, in the faster direction."""
        return min(self.forward.work_seconds(1), self.inverse.work_seconds(1)) / self.manifest.dimension

    async def log_prob(
        self,
        request: LogProbRequest,
        deadline: float | None = None,
        timing: RequestTiming | None = None,
        client: str = "",
    ) -> Answer:
        """Exact log density of each row, nats."""
        x, finite = await self._zero_invalid(request.x, self._dtype)
        tensors = await self.forward.run(x, deadline, timing, client) if len(x) else self._empty_result("z")
        wanted = {"log_prob": tensors["log_prob"]}
        return self._answer(wanted, finite, request.on_invalid, "x", self._precision_note, x)

    async def transform(
        self,
        request: TransformRequest,
        deadline: float | None = None,
        timing: RequestTiming | None = None,
        client: str = "",
    ) -> Answer:
        """z = f(x) or x = f^-1(z), and log|det| of the Jacobian of that direction."""
        forward = request.direction == "forward"
        source, image = ("x", "z") if forward else ("z", "x")
        batcher = self.forward if forward else self.inverse
        rows, finite = await self._zero_invalid(request.rows, self._dtype if forward else np.dtype(np.float32))
        tensors = await batcher.run(rows, deadline, timing, client) if len(rows) else self._empty_result(image)
        wanted = {output: tensors[output] for output in request.outputs}
        x = rows if forward else None
        return self._answer(wanted, finite, request.on_invalid, source, self._precision_note, x)

    def with_seed(self, request: SampleRequest) -> SeededSample:
        """Add a fresh seed to a request that names none. The answer carries the seed."""
        return SeededSample(secrets.randbelow(SEED_LIMIT) if request.seed is None else request.seed, request)

    async def sample(
        self,
        seeded: SeededSample,
        deadline: float | None = None,
        timing: RequestTiming | None = None,
        client: str = "",
    ) -> Answer:
        """All rows of a sample at once.

        Raises:
            Overloaded: too much work is ahead.
            DeadlinePassed: the deadline passed before all rows were computed.
        """
        self.inverse.check(seeded.request.num_samples, deadline, client)
        try:
            async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()):
                blocks = [block async for block in self.stream_blocks(seeded, None, timing, client)]
        except TimeoutError:
            raise self.inverse.deadline_passed() from None
        tensors = {output: _joined([block[output] for block in blocks]) for output in seeded.request.outputs}
        return self._answer(tensors, None, "null", "x", self.metadata(seeded))

    async def probe(self) -> None:
        """Compute one row with each graph, in the threads that compute requests."""
        row = np.zeros((1, self.manifest.dimension), np.float32)
        await asyncio.gather(self.forward.probe(row.astype(self._dtype)), self.inverse.probe(row))

    def metadata(self, seeded: SeededSample) -> dict[str, object]:
        """The fields of a sample's answer beside its rows. With them a client can draw the same or the next rows."""
        request = seeded.request
        metadata: dict[str, object] = {
            **self._precision_note,
            "columns": list(self.manifest.columns),
            "seed": seeded.seed,
            "start": request.start,
            "next_start": request.start + request.num_samples,
        }
        if request.temperature != 1:
            metadata["temperature"] = request.temperature
        return metadata

    def schema(self, seeded: SeededSample) -> AnswerSchema:
        """The number of rows and the types of a sample, before any row is computed."""
        dtypes = {output: self._dtype if output == "x" else np.dtype(np.float32) for output in seeded.request.outputs}
        return AnswerSchema(seeded.request.num_samples, self.manifest.columns, dtypes)

    async def stream_blocks(
        self,
        seeded: SeededSample,
        deadline: float | None = None,
        timing: RequestTiming | None = None,
        client: str = "",
    ) -> AsyncGenerator[Tensors, None]:
        """The rows of a sample in blocks, with memory for few blocks; NaN where the flow has no finite result.

        A stream shares the engines block by block, so it counts with few blocks in the work ahead of others. Its first
        block can be rejected; later ones wait, because the response has begun.

        Args:
            seeded: the sample.
            deadline: time.monotonic() at which the first block must be computed; later blocks have no deadline.
            timing: gets the timestamps of the request.
            client: key of the client, for its share.
        """
        request = seeded.request
        end = request.start + request.num_samples
        timing = timing or RequestTiming()
        tasks: deque[asyncio.Task[Tensors]] = deque()
        try:
            for start in range(request.start, end, self.block_rows):
                count = min(self.block_rows, end - start)
                is_first = start == request.start
                run = functools.partial(self.inverse.run if is_first else self.inverse.run_admitted, client=client)
                block = self._stream_block(seeded, start, count, deadline if is_first else None, timing, run)
                tasks.append(asyncio.ensure_future(block))
                if len(tasks) > BLOCKS_AHEAD:
                    yield await tasks.popleft()
            while tasks:
                yield await tasks.popleft()
        finally:
            for task in tasks:
                task.cancel()

    async def _stream_block(  # noqa: PLR0913, PLR0917  (a block, and how it is computed)
        self,
        seeded: SeededSample,
        start: int,
        count: int,
        deadline: float | None,
        timing: RequestTiming,
        run: Callable[[Rows, float | None, RequestTiming], Awaitable[Tensors]],
    ) -> Tensors:
        temperature = seeded.request.temperature
        arguments = seeded.seed, start, count, temperature
        if count <= offload.DRAW_ROWS:
            z = self.base.draw(*arguments)
        else:
            z = await offload.in_thread(self.base.draw, *arguments, executor=self.executor)
        result = await run(z, deadline, timing)
        tensors = {"x": result["x"], "log_prob": result["log_prob"], "z": z}
        if temperature != 1:
            # A row that was rounded to whole numbers has another z than the drawn one.
            tensors["log_prob"] = tempered(self.base, result["log_prob"], result.get("z", z), temperature)
        wanted = {output: tensors[output] for output in seeded.request.outputs}
        if all_finite(wanted):
            return wanted
        finite = finite_rows(wanted, count)
        timing.invalid_rows += count - int(np.count_nonzero(finite))
        return {output: nan_invalid_rows(tensor, finite) for output, tensor in wanted.items()}

    @property
    def _precision_note(self) -> Mapping[str, object]:
        # The answer names its precision only if it is not the precision of the manifest.
        return {} if self.precision == self.manifest.precision else {"precision": self.precision}

    @property
    def _dtype(self) -> np.dtype[np.floating]:
        return np.dtype(self.manifest.dtype)

    async def _zero_invalid(self, rows: Rows, dtype: np.dtype[np.floating]) -> tuple[Rows, Mask | None]:
        if not len(rows):
            return rows, None
        if len(rows) <= offload.CHECK_ROWS:
            return zero_invalid_rows(rows, dtype)
        return await offload.in_thread(zero_invalid_rows, rows, dtype, executor=self.executor)

    def _empty_result(self, image: str) -> Tensors:
        # Some engines fail on zero rows, so no engine gets them.
        empty = np.empty(0, dtype=np.float32)
        return {
            image: np.empty((0, self.manifest.dimension), np.float32),
            LOG_ABS_DET_JACOBIAN: empty,
            "log_prob": empty,
        }

    def _answer(  # noqa: PLR0913, PLR0917  (a result, and what was asked)
        self,
        tensors: Tensors,
        finite_input: Mask | None,
        on_invalid: OnInvalid,
        source: str,
        metadata: Mapping[str, object],
        x: Rows | None = None,
    ) -> Answer:
        columns = self.manifest.columns
        if finite_input is None and all_finite(tensors):
            return Answer(self.name, self.version, columns, tensors, metadata)
        rows = len(next(iter(tensors.values())))
        finite_input = np.ones(rows, dtype=np.bool_) if finite_input is None else finite_input
        valid = finite_input & finite_rows(tensors, rows)
        numbers = np.flatnonzero(~valid)
        reasons = self._zero_density(None if x is None else x[numbers], len(numbers))
        invalid = invalid_rows(numbers.tolist(), finite_input[numbers].tolist(), reasons)
        if on_invalid == "error":
            errors = [FieldError(f"/{source}/{row.row}", row.reason) for row in invalid[:INVALID_ROWS_LISTED]]
            raise InvalidRequest(f"{len(invalid)} of {rows} rows have no finite answer", errors)
        blank = {name: nan_invalid_rows(tensor, valid) for name, tensor in tensors.items()}
        return Answer(self.name, self.version, columns, blank, metadata, invalid)

    def _zero_density(self, x: Rows | None, count: int) -> Sequence[Reason | None]:
        if x is None or self.column_map is None:
            return [None] * count
        return self.column_map.reasons(x.astype(np.float64))


def _joined(blocks: list[Rows]) -> Rows:
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
