"""Builds the service from the settings: `create_app` returns the ASGI application. Importing it starts nothing."""

import asyncio
import contextlib
import functools
import os
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Lifespan

from diffeo.runtime.errors import EngineError

from .admission.engine_threads import EngineThreads
from .admission.work_ahead import WorkAhead
from .connections.registry import COUNT_REJECTED
from .errors import FieldError, InvalidRequest, ServiceError
from .health_probe import HealthProbe
from .observability import tracing
from .observability.client_counters import ClientCounters
from .observability.prometheus import PrometheusMetrics
from .observability.registry import CounterRegistry
from .observability.shared_counters import SharedCounters
from .repository import repository, scan
from .repository.canary import Canary
from .repository.preflight import Preflight
from .repository.result import Check, PreflightResults
from .repository.shared_results import SharedResults
from .repository.watch import RepositoryWatcher
from .requests import Limits
from .route_table import ERROR_RESPONSES, route_table
from .routes import files, health, metrics, models, openapi
from .routes.access import AccessLog
from .routes.disconnects import DisconnectWatcher
from .routes.dispatch import Dispatcher
from .routes.inference import Inference
from .routes.problems import REJECTIONS, on_error
from .routes.v2 import description
from .security import key_store
from .security.access_control import AccessControl
from .security.access_policy import AccessPolicy
from .security.pages import Pages
from .settings import Settings

# The event loop gets about ten times the processor share of a thread with this niceness. If all cores are taken, a
# thread that holds the interpreter returns it within milliseconds. At niceness 19, the slowest small requests took
# twice as long.
NICENESS = 10
DESCRIPTION = "Exact log-likelihoods, samples and invertible transforms from normalizing flows."


@dataclass(frozen=True, slots=True)
class Service:
    """The application, the health probe that tests whether its engines compute, and the canary that checks numbers."""

    app: ASGIApp
    health_probe: HealthProbe
    canary: Canary


def create_app(
    settings: Settings,
    results: PreflightResults | None = None,
    counters: SharedCounters | None = None,
    shared_results: SharedResults | None = None,
    *,
    checks_settings: bool = True,
) -> ASGIApp:
    """The application of `create_service`; arguments and errors are the same."""
    return create_service(
        settings, results, counters, shared_results=shared_results, checks_settings=checks_settings
    ).app


def create_service(  # noqa: PLR0913  (all that one service is made of)
    settings: Settings,
    results: PreflightResults | None = None,
    counters: SharedCounters | None = None,
    labels: Mapping[str, str] | None = None,
    shared_results: SharedResults | None = None,
    *,
    checks_settings: bool = True,
) -> Service:
    """The service over the repository of the settings.

    It loads and checks every model first. While it serves, it follows changes of the repository's folder.

    Args:
        settings: how the service runs.
        results: of the preflight of the versions; without it, they are loaded without a preflight.
        counters: counters that it shares with other processes; private counters unless given.
        labels: labels of every metric.
        shared_results: gets the results of the preflights of new versions, for other processes.
        checks_settings: check the names in the settings, as `repository.load` describes.

    Raises:
        NothingToServe: the repository is empty or absent.
        ProviderMissing: the settings name an execution provider that this machine lacks.
        SettingsInvalid: the API keys are not in their format.
    """
    keys = key_store.of(settings)
    work = WorkAhead(settings.max_wait_ms / 1000)
    executor, loader = EngineThreads(settings.threads, work, _lower_priority), _threads("loader", 1)
    # The scan comes before loading, so that the first comparison finds changes that happen while models load.
    fingerprints = scan.fingerprints(settings.models)
    loaded = repository.load(settings, executor, results, checks_settings=checks_settings)
    check: Check = Preflight(settings).check
    if shared_results is not None:
        check = shared_results.adding(check)
    watcher = RepositoryWatcher(loaded, settings, executor, loader, fingerprints, check)
    canary = Canary(loaded)
    shared = counters or SharedCounters()
    registry = CounterRegistry(shared, REJECTIONS)
    tracer = tracing.tracer(settings.opentelemetry)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        # asyncio.to_thread uses the default executor to decode and encode large bodies.
        asyncio.get_running_loop().set_default_executor(_threads("codec", settings.threads))
        watching = [
            asyncio.create_task(watcher.run()),
            asyncio.create_task(canary.run()),
            asyncio.create_task(metrics.forget_withdrawn(loaded, registry)),
        ]
        if keys is not None:
            watching.append(asyncio.create_task(keys.watch()))
        yield {COUNT_REJECTED: ClientCounters.bound_to(shared, "").count_rejected}
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        loader.shutdown()
        executor.shutdown()
        if tracer is not None:
            tracer.close()

    versions = functools.partial(metrics.version_statuses, loaded)
    collector = PrometheusMetrics(shared, REJECTIONS, versions, settings.engine, labels or {})
    limits = Limits(settings.max_rows, settings.max_num_samples, settings.max_body_bytes)
    routers = (
        models.router(loaded, settings),
        files.router(loaded, settings),
        health.router(loaded),
        metrics.router(collector, registry, loaded),
    )
    inference = Inference(loaded, work, settings, limits, DisconnectWatcher(), registry)
    policy = None if keys is None else AccessPolicy(settings.open_without_key)
    pages = Pages(_fastapi_app(routers, limits, lifespan, policy))
    access = AccessControl(settings, keys, shared)
    dispatcher = Dispatcher(route_table(inference, tracer), pages, ERROR_RESPONSES, access)
    return Service(AccessLog(dispatcher, log_health_checks=settings.log_health_checks), HealthProbe(loaded), canary)


def _fastapi_app(
    routers: Iterable[APIRouter], limits: Limits, lifespan: Lifespan[FastAPI], policy: AccessPolicy | None
) -> FastAPI:
    """The FastAPI application: the GET routes that are not in the table of routes, and /docs."""
    app = FastAPIOffline(
        redoc_url=None, title="diffeo", version=version("diffeo"), description=DESCRIPTION, lifespan=lifespan
    )
    for router in routers:
        app.include_router(router)
    # ServiceError and EngineError are named too: Starlette lets errors of class Exception pass every layer first.
    for error in (ServiceError, EngineError, Exception, HTTPException):
        app.add_exception_handler(error, on_error)
    app.add_exception_handler(RequestValidationError, _on_path_error)
    describe = functools.cache(lambda: openapi.describe(app, limits, description.paths(), description.SCHEMAS, policy))
    app.openapi = describe  # type: ignore[method-assign]  # the way that FastAPI documents
    return app


def _threads(name: str, count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix=name, initializer=_lower_priority)


def _lower_priority() -> None:
    # Linux counts niceness for each thread. If cores are few, the event loop, and so every small request, goes first.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


async def _on_path_error(request: Request, error: Exception) -> Response:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    field_errors = [FieldError(_pointer(each["loc"][1:]), each["msg"].removeprefix("Value error, ")) for each in errors]
    return await on_error(request, InvalidRequest("a parameter in the path has a wrong value", field_errors))


def _pointer(location: Sequence[object]) -> str:
    return "".join(f"/{part}" for part in location)
