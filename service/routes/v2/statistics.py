"""GET /v2/models/stats: the statistics extension of the Open Inference Protocol, summed over all processes."""

from collections.abc import Iterable
from dataclasses import asdict

from ...model import Model
from ...observability import statistics
from ...observability.shared_counters import SharedCounters
from ...observability.statistics import NEVER, InferenceStatistics
from .protocol_model import ProtocolModel

# Requests that no model version received yet.
NO_REQUESTS = InferenceStatistics()


def document(shared: SharedCounters, models: Iterable[tuple[ProtocolModel, Model]]) -> dict[str, object]:
    """The statistics of these models. It reads the files of all processes, so call it on a thread."""
    found = statistics.read(shared.sums())
    return {"model_stats": [_entry(kind.name(model.name), str(model.version), found) for kind, model in models]}


def _entry(name: str, version: str, found: dict[statistics.ProtocolVersion, InferenceStatistics]) -> dict[str, object]:
    sums = found.get((name, version), NO_REQUESTS)
    return {
        "name": name,
        "version": version,
        "last_inference": sums.last_ms,
        "inference_count": sums.rows,
        # Each request counts as one execution, even if the engine computed it together with other requests.
        "execution_count": sums.success.count,
        "inference_stats": {
            "success": asdict(sums.success),
            "fail": asdict(sums.fail),
            "queue": asdict(sums.queue),
            "compute_input": asdict(sums.compute_input),
            "compute_infer": asdict(sums.compute_infer),
            "compute_output": asdict(sums.compute_output),
            # The service has no cache.
            "cache_hit": asdict(NEVER),
            "cache_miss": asdict(NEVER),
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }
