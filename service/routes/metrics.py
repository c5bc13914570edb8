"""GET /metrics: the counters of all processes of this service, for Prometheus. It does not wait in a queue."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder

from ..model import Model
from ..observability.prometheus import PrometheusMetrics, VersionStatus
from ..observability.registry import CounterRegistry
from ..repository.repository import Entry, Repository

FORGET_INTERVAL_SECONDS: Final = 30.0


def router(collector: PrometheusMetrics, counters: CounterRegistry, repository: Repository) -> APIRouter:
    """The route of one service's metrics."""
    routes = APIRouter(tags=["operations"])
    registry = CollectorRegistry()
    registry.register(collector)
    shown = {"content": {CONTENT_TYPE_PLAIN_0_0_4: {"schema": {"type": "string"}}}, "description": "One line a value"}

    @routes.get("/metrics", summary="Metrics for Prometheus", response_class=Response, responses={200: shown})
    async def metrics(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        # On the event loop, because the counters of this process are only changed there.
        for model in _served(repository):
            counters.export_zeros(model)
        # Encoding some hundred lines takes milliseconds, so a thread does it and the loop stays free.
        return Response(await asyncio.to_thread(encode, registry), media_type=media_type)

    return routes


async def forget_withdrawn(repository: Repository, counters: CounterRegistry) -> None:
    """Forget the counters of versions that are no longer served, until cancelled."""
    while True:
        await asyncio.sleep(FORGET_INTERVAL_SECONDS)
        counters.forget_withdrawn({(model.name, str(model.version)) for model in _served(repository)})


def version_statuses(repository: Repository) -> list[VersionStatus]:
    """All versions on disk, served or refused, as the metrics show them."""
    return [
        replace(_status(name, version, entry), error=repository.error(name, version))
        for name, versions in repository.models.items()
        for version, entry in versions.items()
    ]


def _status(name: str, version: int, entry: Entry) -> VersionStatus:
    if isinstance(entry, Model):
        return VersionStatus(name, str(version), entry.digest, (entry.precision, *entry.variants))
    return VersionStatus(name, str(version), is_loading=entry.is_loading)


def _served(repository: Repository) -> Iterator[Model]:
    """Every served version in each of its precisions."""
    for versions in repository.models.values():
        for entry in versions.values():
            if isinstance(entry, Model):
                yield entry
                yield from entry.variants.values()
