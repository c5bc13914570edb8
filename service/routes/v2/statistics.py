"""GET /v2/models/stats: the statistics extension of the Open Inference Protocol, summed over all processes.

All functions read the files of all processes, which takes milliseconds: call them on a thread.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from ...model import Model
from ...observability import statistics
from ...observability.shared_counters import SharedCounters
from ...observability.statistics import NEVER, InferenceStatistics
from ...repository.repository import Repository
from .protocol_model import PROTOCOL_MODELS, ProtocolModel

# Requests that no model version received yet.
NO_REQUESTS = InferenceStatistics()


def of_all(repository: Repository, shared: SharedCounters) -> dict[str, object]:
    """The statistics of every protocol model in every served version."""
    models = [model for name in repository.models for model in _served(repository, name)]
    return _document(shared, [(kind, model) for model in models for kind in PROTOCOL_MODELS])


def of_model(repository: Repository, shared: SharedCounters, kind: ProtocolModel, name: str) -> dict[str, object]:
    """The statistics of one protocol model in every served version."""
    return of_versions(shared, kind, _served(repository, name))


def of_versions(shared: SharedCounters, kind: ProtocolModel, models: Iterable[Model]) -> dict[str, object]:
    """The statistics of one protocol model in these versions."""
    return _document(shared, [(kind, model) for model in models])


def _served(repository: Repository, name: str) -> Iterator[Model]:
    return (entry for entry in repository.versions(name).values() if isinstance(entry, Model))


def _document(shared: SharedCounters, models: Iterable[tuple[ProtocolModel, Model]]) -> dict[str, object]:
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
