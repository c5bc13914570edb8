"""`LocalFlow`: computes the graphs of one bundle in this process, in chunks on all cores, as the service does."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import numpy as np

from diffeo.bundle.base import tempered
from diffeo.bundle.golden import Golden
from diffeo.bundle.manifest import MAIN_FILES, VARIANT_FILES, FileName, Trio
from diffeo.bundle.read import Bundle
from diffeo.density import Direction, Rows, SeededSample
from diffeo.errors import DiffeoError
from diffeo.runtime.cores import usable_cores
from diffeo.runtime.engines.engine import Engine
from diffeo.runtime.engines.mapped import column_map_of, map_columns
from diffeo.runtime.engines.onnx import PROVIDERS, OnnxEngine, open_session
from diffeo.runtime.finite_rows import Mask, Tensors, all_finite, finite_rows, nan_invalid_rows, zero_invalid_rows

# As in a service without a GPU: larger chunks do not fit into the processor's cache and are slower.
CHUNK_ROWS: Final = 1024
TABLE_OUTPUTS: Final = frozenset({"x", "z"})

C = TypeVar("C")


class LocalFlow:
    """The forward and the inverse graph of a bundle, checked against its golden vectors.

    Outputs are x and z [rows, D], log_prob and log_abs_det_jacobian [rows]; a row without an answer is NaN in each.

    Args:
        bundle: the bundle with the graphs.
        precision: precision of the graphs; by default the bundle's own.
        threads: chunks that are computed at the same time; by default the usable cores of this process.

    Raises:
        DiffeoError: the bundle has no graphs of this precision.
        EngineFailed: a graph does not load or run.
        GoldenDisagrees: the runtime computes other numbers than the golden vectors of the bundle.
    """

    def __init__(self, bundle: Bundle, precision: str | None, threads: int | None = None) -> None:
        files, golden = _graphs(bundle, precision)
        self._dimension = bundle.manifest.dimension
        self._base = bundle.base
        self._dtypes = {"x": np.dtype(bundle.manifest.dtype)}
        graphs = _engine(bundle, files.forward), _engine(bundle, files.inverse)
        manifest = bundle.manifest
        self._forward, self._inverse = map_columns(graphs, column_map_of(manifest), manifest.input_dtype)
        golden.check_forward(self._forward.run({"x": golden.x.astype(self._dtype("x"))}))
        golden.check_inverse(self._inverse.run({"z": golden.z.astype(np.float32)}))
        threads = threads or usable_cores()
        # With one thread, the caller's own thread computes.
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="flow") if threads > 1 else None

    def compute(self, rows: Rows, direction: Direction, outputs: Sequence[str]) -> Tensors:
        """The requested outputs of the graph of this direction for rows [rows, D]."""
        compute_chunk = partial(self._compute_chunk, direction=direction, outputs=outputs)
        chunks = [rows[begin : begin + CHUNK_ROWS] for begin in _chunk_starts(len(rows))]
        return self._map_and_join(compute_chunk, chunks, outputs)

    def sample(self, sample: SeededSample, outputs: Sequence[str]) -> Tensors:
        """The requested outputs of a sample."""
        sample_chunk = partial(self._sample_chunk, sample=sample, outputs=outputs)
        return self._map_and_join(sample_chunk, _chunk_starts(sample.num_samples), outputs)

    def _compute_chunk(self, rows: Rows, direction: Direction, outputs: Sequence[str]) -> Tensors:
        source, engine = ("x", self._forward) if direction == "forward" else ("z", self._inverse)
        clean, finite = zero_invalid_rows(rows, self._dtype(source))
        tensors = engine.run({source: clean})
        answer = {output: tensors[output] for output in outputs}
        if finite is None and all_finite(answer):
            return answer
        has_answer = finite_rows(answer, len(rows))
        return _with_nan(answer, has_answer if finite is None else has_answer & finite)

    def _sample_chunk(self, begin: int, sample: SeededSample, outputs: Sequence[str]) -> Tensors:
        count = min(CHUNK_ROWS, sample.num_samples - begin)
        z = self._base.draw(sample.seed, sample.start + begin, count, sample.temperature)
        result = self._inverse.run({"z": z})
        tensors = {**result, "z": z}
        if sample.temperature != 1:
            # A row that was rounded to whole numbers has another z than the drawn one.
            tensors["log_prob"] = tempered(self._base, result["log_prob"], result.get("z", z), sample.temperature)
        answer = {output: tensors[output] for output in outputs}
        return answer if all_finite(answer) else _with_nan(answer, finite_rows(answer, count))

    def _map_and_join(self, compute: Callable[[C], Tensors], chunks: Sequence[C], outputs: Sequence[str]) -> Tensors:
        if not chunks:
            return {output: self._no_rows(output) for output in outputs}
        if len(chunks) == 1:
            # Callers often loop over a few rows at a time; handing one chunk to a thread would cost more than it takes.
            return compute(chunks[0])
        answers = list(map(compute, chunks) if self._threads is None else self._threads.map(compute, chunks))
        return {output: np.concatenate([answer[output] for answer in answers]) for output in outputs}

    def _no_rows(self, output: str) -> Rows:
        # Some runtimes cannot compute a graph for zero rows.
        return np.empty((0, self._dimension) if output in TABLE_OUTPUTS else 0, self._dtype(output))

    def _dtype(self, output: str) -> np.dtype[np.floating]:
        return self._dtypes.get(output, np.dtype(np.float32))


def _with_nan(answer: Tensors, has_answer: Mask) -> Tensors:
    return {output: nan_invalid_rows(tensor, has_answer) for output, tensor in answer.items()}


def _chunk_starts(rows: int) -> range:
    return range(0, rows, CHUNK_ROWS)


def _graphs(bundle: Bundle, precision: str | None) -> tuple[Trio, Golden]:
    if precision is None or precision == bundle.manifest.precision:
        return MAIN_FILES, bundle.golden
    for name, golden in bundle.variants.items():
        if name == precision:
            return VARIANT_FILES[name], golden
    available = ", ".join([bundle.manifest.precision, *bundle.variants])
    raise DiffeoError(f"precision {precision!a}: the bundle has no graphs in that precision; it has: {available}")


def _engine(bundle: Bundle, name: FileName) -> Engine:
    return OnnxEngine(open_session(name, bundle.files[name], [PROVIDERS["cpu"]]))
