"""GET /metrics: what all processes of this service counted, for Prometheus; it waits in no queue."""

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder

from ..observability.prometheus import PrometheusText


def router(exposition: PrometheusText) -> APIRouter:
    """The numbers of one exposition."""
    routes = APIRouter(tags=["operations"])
    registry = CollectorRegistry()
    registry.register(exposition)
    shown = {"content": {CONTENT_TYPE_PLAIN_0_0_4: {"schema": {"type": "string"}}}, "description": "One line a number"}

    @routes.get("/metrics", summary="Numbers for Prometheus", response_class=Response, responses={200: shown})
    async def metrics(http: Request) -> Response:
        encode, media_type = choose_encoder(http.headers.get("accept", ""))
        exposition.expect()
        # Writing some hundred lines takes milliseconds, in which the loop answers others.
        return Response(await asyncio.to_thread(encode, registry), media_type=media_type)

    return routes
