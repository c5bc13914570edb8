"""Loads a bundle into a Model: opens the engines, compares them with the golden vectors, measures their speed."""

import time
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from diffeo.bundle import agreement
from diffeo.bundle.golden import Golden
from diffeo.bundle.manifest import VARIANT_FILES, Dtype, VariantName
from diffeo.bundle.proof import Proof
from diffeo.bundle.read import Bundle
from diffeo.runtime.column_map import ColumnMap
from diffeo.runtime.engines import ENGINES
from diffeo.runtime.engines.engine import Engine, Graphs, Tensors
from diffeo.runtime.engines.mapped import column_map_of, map_columns
from diffeo.runtime.finite_rows import Rows

from . import call_memory
from .admission.engine_threads import EngineThreads
from .admission.work_ahead import WorkAhead
from .batcher import Batcher, BatcherOptions
from .model import Model
from .settings import Settings

# Seconds to compute one block of a stream: short enough to send the first byte soon, and long compared with the work
# between two blocks.
STREAM_BLOCK_SECONDS: Final = 0.01
MAX_STREAM_BLOCK_CHUNKS: Final = 16
# Number of engine calls that measure the speed; the fastest call is used.
MEASURED_CALLS: Final = 3
# Longest engine call of a slow model: a request of one row waits for the call that runs.
CALL_SECONDS: Final = 0.02
# Most memory of one engine call. A call has fewer rows than `chunk_rows` if each needs much.
CALL_BYTES: Final = 512 * 2**20


def load(  # noqa: PLR0913, PLR0917  (a bundle, its place, and how it is served)
    bundle: Bundle,
    name: str,
    version: int,
    settings: Settings,
    executor: Executor,
    proof: Proof | None = None,
    seconds: float = 0.0,
    *,
    measures_memory: bool = False,
) -> Model:
    """Load the graphs of a bundle in each of its precisions.

    Args:
        bundle: a verified bundle.
        name: name of the model.
        version: version of the model.
        settings: engine, device, limits.
        executor: threads for engine calls.
        proof: of the preflight; if it is about this bundle, only the golden rows are compared here.
        seconds: processor time for which each pair of graphs is compared on further rows.
        measures_memory: True in a process that computes nothing else: the memory of a call on a processor is measured.

    Raises:
        EngineFailed: a graph does not load or run.
        GraphRefused: a call takes much more memory than the analysis of its graph proved.
        ProviderMissing: this machine lacks the execution provider that the settings name.
        GoldenDisagrees: the engine computes other numbers than the golden vectors.
        GoldenInvalid: a golden row has density zero under the kinds of its columns.
        GraphsDisagree: the two graphs do not compute one density, or a row depends on its batch.
    """
    manifest = bundle.manifest
    settings = settings.model_copy(update={"chunk_rows": chunk_rows(settings.chunk_rows, bundle.row_bytes)})
    # The proof is about the ONNX graphs, and this process sees no memory of a device.
    is_measured = measures_memory and settings.engine == "onnx" and settings.execution_providers == ("cpu",)
    checks = Checks(proof == bundle.proof, seconds, is_measured)
    column_map = column_map_of(manifest)
    forward, inverse = _batchers(name, bundle.files, bundle.golden, bundle, column_map, settings, executor, checks)
    block_rows = _stream_block_rows(inverse.seconds_per_row, settings)
    model = Model(
        name,
        version,
        manifest,
        bundle.digest,
        bundle.base,
        forward,
        inverse,
        executor,
        block_rows,
        manifest.precision,
        row_bytes=bundle.row_bytes,
        golden=bundle.golden,
        column_map=column_map,
    )
    # The variants are made for ONNX Runtime on a processor; a GPU computes float32 faster than they do.
    if settings.engine != "onnx" or settings.execution_providers[0] != "cpu":
        return model
    variants: dict[str, Model] = {
        variant: _variant(model, variant, bundle, settings, checks) for variant in bundle.variants
    }
    return replace(model, variants=variants)


def chunk_rows(most: int, row_bytes: int) -> int:
    """The most rows of one engine call: at most `most`, and fewer if they would need more than CALL_BYTES."""
    return max(1, min(most, CALL_BYTES // max(1, row_bytes)))


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of a load.

    Attributes:
        only_golden: True if the golden rows are enough.
        seconds: processor time for further rows.
        memory: True if the memory of a call is measured. It takes a process that computes nothing else.
    """

    only_golden: bool
    seconds: float
    memory: bool


def _variant(model: Model, variant: VariantName, bundle: Bundle, settings: Settings, checks: Checks) -> Model:
    files = VARIANT_FILES[variant]
    # An engine finds each graph by the name of its direction, so the files of a variant get those names.
    graphs: Graphs = {"forward.onnx": bundle.files[files.forward], "inverse.onnx": bundle.files[files.inverse]}
    golden, column_map = bundle.variants[variant], model.column_map
    forward, inverse = _batchers(model.name, graphs, golden, bundle, column_map, settings, model.executor, checks)
    block_rows = _stream_block_rows(inverse.seconds_per_row, settings)
    return replace(model, forward=forward, inverse=inverse, block_rows=block_rows, precision=variant, golden=golden)


def _batchers(  # noqa: PLR0913, PLR0917  (a bundle's parts, and how they are served)
    name: str,
    graphs: Graphs,
    golden: Golden,
    bundle: Bundle,
    column_map: ColumnMap | None,
    settings: Settings,
    executor: Executor,
    checks: Checks,
) -> tuple[Batcher, Batcher]:
    dtype, graph_dtype = bundle.manifest.dtype, bundle.manifest.input_dtype
    options = replace(settings.engine_options, keeps_memory=not checks.memory)
    engines = ENGINES[settings.engine](graphs, options)
    work = executor.work if isinstance(executor, EngineThreads) else WorkAhead()
    # The graphs are checked in their own input y, and the map around them on the golden rows in the user's units.
    inner = golden if column_map is None else column_map.golden_of_graphs(golden)
    if checks.memory:
        _check_memory(engines, inner, graph_dtype, settings, bundle.row_bytes)
    if not checks.only_golden:
        agreement.check(*_computes(engines, settings), inner, graph_dtype, bundle.digest, checks.seconds)
    forward, inverse = map_columns(engines, column_map, graph_dtype)
    if checks.only_golden or column_map is not None:
        agreement.check_golden(*_computes((forward, inverse), settings), golden, dtype)
    x, z = golden.x.astype(dtype), golden.z.astype(np.float32)
    return (
        Batcher(forward, "x", executor, _batcher_options(name, forward, "x", x, settings), work),
        Batcher(inverse, "z", executor, _batcher_options(name, inverse, "z", z, settings), work),
    )


def _check_memory(
    engines: tuple[Engine, Engine], golden: Golden, dtype: Dtype, settings: Settings, row_bytes: int
) -> None:
    x, z = golden.x.astype(dtype), golden.z.astype(np.float32)
    for file, engine, source, rows in (
        (golden.files.forward, engines[0], "x", x), (golden.files.inverse, engines[1], "z", z),
    ):  # fmt: skip
        call_memory.check(file, engine, source, _chunk(rows, settings), row_bytes)


def _computes(engines: tuple[Engine, Engine], settings: Settings) -> tuple[agreement.Compute, agreement.Compute]:
    return _in_chunks(engines[0], "x", settings), _in_chunks(engines[1], "z", settings)


def _in_chunks(engine: Engine, source: str, settings: Settings) -> agreement.Compute:
    # An engine on a device takes at most chunk_rows rows.
    def compute(rows: Rows) -> Tensors:
        starts = range(0, len(rows), settings.chunk_rows)
        parts = [engine.run({source: rows[start : start + settings.chunk_rows]}) for start in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return compute


def _batcher_options(name: str, engine: Engine, source: str, rows: Rows, settings: Settings) -> BatcherOptions:
    # The first calls of an engine are slow. They happen here, at the start, and the fastest call is the measured speed.
    chunk = _chunk(rows, settings)
    seconds = min(_run_seconds(engine, source, chunk) for _ in range(MEASURED_CALLS))
    return BatcherOptions(
        parallel=settings.threads,
        chunk_rows=settings.chunk_rows,
        queue_rows=settings.max_queue_rows,
        timeout_seconds=settings.timeout_seconds,
        seconds_per_row=seconds / len(chunk),
        call_seconds=CALL_SECONDS,
        model=name,
    )


def _chunk(rows: Rows, settings: Settings) -> Rows:
    return np.resize(rows, (settings.chunk_rows, rows.shape[1]))


def _run_seconds(engine: Engine, source: str, rows: Rows) -> float:
    began = time.perf_counter()
    engine.run({source: rows})
    return time.perf_counter() - began


def _stream_block_rows(seconds_per_row: float, settings: Settings) -> int:
    chunks = round(STREAM_BLOCK_SECONDS * settings.threads / (seconds_per_row * settings.chunk_rows))
    return settings.chunk_rows * max(1, min(chunks, MAX_STREAM_BLOCK_CHUNKS))
