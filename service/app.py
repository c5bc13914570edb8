"""`create_app` is the only wiring: settings in, ASGI application out; nothing happens at import."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from diffeo.runtime.errors import EngineError

from .errors import FieldError, InvalidRequest, ServiceError
from .health_probe import HealthProbe
from .observability import tracing
from .observability.prometheus import PrometheusText
from .observability.registry import Metrics
from .observability.shared_counters import SharedCounters
from .observability.tracing import Tracer
from .repository import repository, scan
from .repository.scan import VersionKey
from .repository.watch import RepositoryWatcher
from .requests import Limits
from .routes import files, health, metrics, models, openapi
from .routes.access import Access
from .routes.disconnects import DisconnectWatcher
from .routes.inference import Endpoint, Inference
from .routes.problems import REFUSALS, on_error, on_http_error
from .routes.v2.router import site
from .settings import Settings

# A tenth of the loop's weight: the loop goes first, and a thread that holds the interpreter while every core is taken
# gives it back within some milliseconds. With the least weight, 19, the slowest small requests took twice as long.
NICENESS = 10
DESCRIPTION = "Exact log-likelihoods, samples and invertible transforms from normalizing flows."


@dataclass(frozen=True, slots=True)
class Service:
    """What serves, and what tells whether it still computes."""

    app: ASGIApp
    health_probe: HealthProbe


def create_app(
    settings: Settings, faults: Mapping[VersionKey, str] = repository.NO_REFUSALS, ledger: SharedCounters | None = None
) -> ASGIApp:
    """The application of `create_service`."""
    return create_service(settings, faults, ledger).app


def create_service(
    settings: Settings,
    faults: Mapping[VersionKey, str] = repository.NO_REFUSALS,
    ledger: SharedCounters | None = None,
    labels: Mapping[str, str] | None = None,
) -> Service:
    """The service over the repository that the settings name, every model loaded and proven; it follows the folder.

    Args:
        settings: how the service runs.
        faults: versions that failed their preflight, with the reason.
        ledger: where it counts what passes; its own where no other process serves beside it.
        labels: of all that it counts.

    Raises:
        NothingToServe: the repository is empty or absent.
        ProviderMissing: the settings ask for an execution provider that is not here.
    """
    executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="engine", initializer=_step_back)
    loader = ThreadPoolExecutor(1, thread_name_prefix="loader", initializer=_step_back)
    # Marked before it is read: what changes in between is seen at the first look.
    taken = scan.fingerprints(settings.models)
    loaded = repository.load(settings, executor, faults)
    watch = RepositoryWatcher(loaded, settings, executor, loader, taken)
    ledger = ledger or SharedCounters()
    tracer = tracing.tracer(os.environ)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Large bodies are read and written on threads of this one.
        asyncio.get_running_loop().set_default_executor(
            ThreadPoolExecutor(settings.threads, thread_name_prefix="codec", initializer=_step_back)
        )
        following = asyncio.create_task(watch.run())
        yield
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        loader.shutdown()
        executor.shutdown()
        if tracer is not None:
            tracer.close()

    app = FastAPIOffline(
        redoc_url=None,
        title="diffeo",
        version=version("diffeo"),
        description=DESCRIPTION,
        lifespan=lifespan,
    )
    app.include_router(models.router(loaded, settings))
    app.include_router(files.router(loaded, settings))
    app.include_router(health.router(loaded))
    limits = Limits(settings.max_rows, settings.max_num_samples)
    meters = Metrics(ledger, REFUSALS)
    app.include_router(metrics.router(PrometheusText(ledger, meters, REFUSALS, loaded, settings.engine, labels or {})))
    inference = Inference(loaded, settings, limits, DisconnectWatcher(), meters)
    verbs = _verbs(inference, tracer)
    for path, verb in verbs.items():
        # Bare ASGI routes: FastAPI's own would build and validate each request a second time.
        app.router.routes.append(Route(path, verb, methods=["POST"], include_in_schema=False))
    for error, answer in _problems().items():
        app.add_exception_handler(error, answer)
    app.openapi = _once(lambda: openapi.describe(app))  # type: ignore[method-assign]  # FastAPI's documented way
    return Service(Access(app, verbs, {"v2": site(inference)}), HealthProbe(loaded))


def _step_back() -> None:
    # Linux counts niceness by thread: where cores are few, the loop goes first, and with it every small request.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _verbs(inference: Inference, tracer: Tracer | None) -> dict[str, Endpoint]:
    handlers = {"sample": inference.sample, "log_prob": inference.log_prob, "transform": inference.transform}
    return {
        f"/{verb}": Endpoint(handler, inference.disconnects, inference.metrics.verb(verb), tracer)
        for verb, handler in handlers.items()
    }


def _problems() -> dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]:
    return {
        # Exception beside them: Starlette lets an error of the class Exception pass all layers before it answers.
        ServiceError: on_error,
        EngineError: on_error,
        Exception: on_error,
        RequestValidationError: _on_path_error,
        HTTPException: on_http_error,
    }


async def _on_path_error(http: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    named = [
        FieldError("/" + "/".join(map(str, fault["loc"][1:])), fault["msg"].removeprefix("Value error, "))
        for fault in faults
    ]
    return await on_error(http, InvalidRequest("a part of the path does not fit", named))


def _once(build: Callable[[], openapi.Document]) -> Callable[[], openapi.Document]:
    built: list[openapi.Document] = []

    def document() -> openapi.Document:
        if not built:
            built.append(build())
        return built[0]

    return document
