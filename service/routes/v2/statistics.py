"""The sums of a tally as the protocol's statistics extension has them; every process of a service has its own."""

from collections.abc import Iterable

from ...model import Model
from ...observability.statistics import Sum, Tally
from ...repository.repository import Repository
from .protocol_model import PROTOCOL_MODELS, ProtocolModel


def of_model(repository: Repository, tally: Tally, kind: ProtocolModel, flow: str) -> dict[str, object]:
    """One model in all its served versions."""
    return of_versions(tally, kind, (entry for entry in repository.versions(flow).values() if isinstance(entry, Model)))


def of_versions(tally: Tally, kind: ProtocolModel, models: Iterable[Model]) -> dict[str, object]:
    """One protocol model of these versions."""
    return {"model_stats": [_entry(tally, kind, model) for model in models]}


def of_all(repository: Repository, tally: Tally) -> dict[str, object]:
    """Every model in every served version."""
    served = [entry for found in repository.models.values() for entry in found.values() if isinstance(entry, Model)]
    return {"model_stats": [_entry(tally, kind, model) for model in served for kind in PROTOCOL_MODELS]}


def _entry(tally: Tally, kind: ProtocolModel, model: Model) -> dict[str, object]:
    name = kind.name(model.name)
    counts = tally.of((name, model.version))
    phases = {phase: _sum(total) for phase, total in counts.phases.items()}
    return {
        "name": name,
        "version": str(model.version),
        "last_inference": counts.last,
        "inference_count": counts.rows,
        # A request counts as one execution, whatever it was computed with.
        "execution_count": counts.success.count,
        "inference_stats": {
            "success": _sum(counts.success),
            "fail": _sum(counts.fail),
            **phases,
            # Nothing is answered from a cache.
            "cache_hit": _sum(Sum()),
            "cache_miss": _sum(Sum()),
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }


def _sum(total: Sum) -> dict[str, int]:
    return {"count": total.count, "ns": total.ns}
