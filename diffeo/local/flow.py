"""One flow on the cores of this machine: rows in, tensors out, NaN where there is no answer; the service's numbers."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import numpy as np

from diffeo.bundle import base
from diffeo.bundle.golden import Golden
from diffeo.bundle.manifest import MAIN_FILES, VARIANT_FILES, FileName, Trio
from diffeo.bundle.read import Bundle
from diffeo.density import Direction, Draw, Rows
from diffeo.errors import DiffeoError
from diffeo.runtime.cores import usable_cores
from diffeo.runtime.engines.engine import Engine
from diffeo.runtime.engines.onnx import PROVIDERS, OnnxEngine, open_session
from diffeo.runtime.finite_rows import Tensors, all_finite, finite_rows, nan_invalid_rows, zero_invalid_rows

# As in a service on a processor: more rows a call leave the cache, and go slower.
CHUNK_ROWS: Final = 1024
TABLES: Final = frozenset({"x", "z"})

C = TypeVar("C")


class Flow:
    """The two graphs of a bundle, proven on its golden vectors.

    Args:
        bundle: where the graphs are.
        precision: what to compute in; the bundle's own unless named.
        threads: chunks computed at the same time; the cores of this process unless named.

    Raises:
        DiffeoError: the bundle has no graphs of that precision.
        EngineFailed: a graph does not load or run.
        GoldenDisagrees: the runtime computes other numbers than the bundle was certified with.
    """

    def __init__(self, bundle: Bundle, precision: str | None, threads: int | None = None) -> None:
        trio, golden = _graphs(bundle, precision)
        self._dimension = bundle.manifest.dimension
        self._dtypes = {"x": np.dtype(bundle.manifest.dtype)}
        self._forward, self._inverse = _engine(bundle, trio.forward), _engine(bundle, trio.inverse)
        golden.check_forward(self._forward.run({"x": golden.x.astype(self._dtype("x"))}))
        golden.check_inverse(self._inverse.run({"z": golden.z.astype(np.float32)}))
        threads = threads or usable_cores()
        # One thread is the caller's own.
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="flow") if threads > 1 else None

    def answer(self, rows: Rows, direction: Direction, parts: Sequence[str]) -> Tensors:
        """Those parts of what the graph of that direction answers to rows [rows, D]."""
        chunk = partial(self._answer, direction=direction, parts=parts)
        return self._joined(chunk, [rows[begin : begin + CHUNK_ROWS] for begin in _begins(len(rows))], parts)

    def sample(self, draw: Draw, parts: Sequence[str]) -> Tensors:
        """Those parts of a draw."""
        chunk = partial(self._sample, draw=draw, parts=parts)
        return self._joined(chunk, _begins(draw.num_samples), parts)

    def _answer(self, rows: Rows, direction: Direction, parts: Sequence[str]) -> Tensors:
        source, engine = ("x", self._forward) if direction == "forward" else ("z", self._inverse)
        clean, finite = zero_invalid_rows(rows, self._dtype(source))
        tensors = engine.run({source: clean})
        wanted = {part: tensors[part] for part in parts}
        if finite is None and all_finite(wanted):
            return wanted
        good = finite_rows(wanted, len(rows))
        good = good if finite is None else good & finite
        return {part: nan_invalid_rows(tensor, good) for part, tensor in wanted.items()}

    def _sample(self, begin: int, draw: Draw, parts: Sequence[str]) -> Tensors:
        count = min(CHUNK_ROWS, draw.num_samples - begin)
        z = base.draw(draw.seed, draw.start + begin, count, self._dimension, draw.temperature)
        tensors = {**self._inverse.run({"z": z}), "z": z}
        if draw.temperature != 1:
            tensors["log_prob"] = base.tempered(tensors["log_prob"], z, draw.temperature)
        wanted = {part: tensors[part] for part in parts}
        if all_finite(wanted):
            return wanted
        good = finite_rows(wanted, count)
        return {part: nan_invalid_rows(tensor, good) for part, tensor in wanted.items()}

    def _joined(self, chunk: Callable[[C], Tensors], chunks: Sequence[C], parts: Sequence[str]) -> Tensors:
        if not chunks:
            return {part: self._nothing(part) for part in parts}
        if len(chunks) == 1:
            # A loop with few rows a turn is what this is for: no thread is woken.
            return chunk(chunks[0])
        found = list(map(chunk, chunks) if self._threads is None else self._threads.map(chunk, chunks))
        return {part: np.concatenate([tensors[part] for tensors in found]) for part in parts}

    def _nothing(self, part: str) -> Rows:
        # Runtimes are never asked for zero rows; some cannot answer that.
        return np.empty((0, self._dimension) if part in TABLES else 0, self._dtype(part))

    def _dtype(self, part: str) -> np.dtype[np.floating]:
        return self._dtypes.get(part, np.dtype(np.float32))


def _begins(rows: int) -> range:
    return range(0, rows, CHUNK_ROWS)


def _graphs(bundle: Bundle, precision: str | None) -> tuple[Trio, Golden]:
    if precision is None or precision == bundle.manifest.precision:
        return MAIN_FILES, bundle.golden
    for name, golden in bundle.variants.items():
        if name == precision:
            return VARIANT_FILES[name], golden
    here = ", ".join([bundle.manifest.precision, *bundle.variants])
    raise DiffeoError(f"the bundle has no graphs in that precision; it has: {here}")


def _engine(bundle: Bundle, name: FileName) -> Engine:
    return OnnxEngine(open_session(name, bundle.files[name], [PROVIDERS["cpu"]]))
