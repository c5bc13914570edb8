"""Replicas under Ray Serve: in each the same ASGI application, ingress and engine in one deployment, our own batcher.

Nothing is shared between them: row i of a sample depends only on (seed, i), so any replica gives the same rows.
"""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Final, NoReturn

import ray
from ray import serve
from ray.serve import Application
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..app import create_service
from ..errors import SettingsInvalid, WorkerFailed
from ..observability import logs
from ..repository import scan
from ..settings import Settings, settle
from . import server
from .port import reserve

NAME: Final = "diffeo"
# Requests that one replica holds; rows are bounded by its own queue, which answers 429 with a time to come back.
MAX_ONGOING: Final = 1024
# Requests that one proxy holds beside them: a bound on memory, not a queue to wait in.
MAX_QUEUED: Final = 1024
# Eight requests under way keep one core busy, small or large; with more there is work for another replica.
TARGET_ONGOING: Final = 8
# A replica is replaced after three probes without an answer.
PROBE_PERIOD_SECONDS: Final = 5.0
PROBE_TIMEOUT_SECONDS: Final = 10.0
START_TRIES: Final = 3
# Each application writes its own line per request; Ray's would be a second one.
LOGGING: Final = {"encoding": "JSON", "enable_access_log": False}

log = logging.getLogger("diffeo")


class Replica:
    """One process that serves the whole repository.

    Args:
        given: settings, over those of the process's own environment.
    """

    def __init__(self, given: Mapping[str, object]) -> None:
        settings = settle({"threads": _cores(), **given})
        # Ray Serve has put its own log in the place of sys.stdout, where a line would be wrapped in another.
        logs.configure(settings.log_level, sys.__stdout__)
        identity = serve.get_replica_context().replica_id.unique_id
        faults = server.faults_of(settings, {})
        self._service = create_service(settings, faults, labels={"replica": identity})
        server.settle_down()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return Named(self._service.app)

    async def check_health(self) -> None:
        """Ray Serve's probe: without it, it asks only whether the process answers."""
        await self._service.health_probe.check()


class Named:
    """An application whose answers name the request once: Ray adds the same header as ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_once(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["x-request-id"]
            await send(message)

        await self._app(scope, receive, send_once)


def app(arguments: dict[str, object]) -> Application:
    """The application for `serve run diffeo.service.process.ray_app:app [SETTING=VALUE ...]` and for `deploy/ray.yaml`.

    Args:
        arguments: settings of the service by name. `threads` is what a replica reserves, one core unless given;
            `workers` is how many there are, as the load asks unless given.

    Raises:
        SettingsInvalid: there is no such setting, or it is out of range.
    """
    unknown = sorted(arguments.keys() - Settings.model_fields)
    if unknown:
        raise SettingsInvalid(f"no setting is called {', '.join(unknown)}")
    settings = settle(arguments)
    # A replica has another working folder.
    given = {**_given(settings), "models": str(settings.models.absolute())}
    return _deployment(settings).bind(given)


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM: on the cluster that RAY_ADDRESS names, else on one of this machine alone.

    Raises:
        NothingToServe: the repository is empty or absent, as this machine sees it.
        NotListening: the address cannot be listened on.
        WorkerFailed: no replica could start.
    """
    logs.configure(settings.log_level)
    # Here it is a sentence at once, in a replica the end of a long start.
    scan.look(settings)
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        settings = settings.model_copy(update={"port": _free(settings)})
    # Standard output is for our own lines; what Ray prints goes beside them.
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(KeyboardInterrupt):
        try:
            _join(address)
            signal.signal(signal.SIGTERM, _leave)
            _start(settings)
            signal.pause()
        finally:
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def _free(settings: Settings) -> int:
    # HAProxy would wait for the port, and we for HAProxy.
    with reserve(settings.host, settings.port) as place:
        number: int = place.getsockname()[1]
        return number


def _join(address: str | None) -> None:
    if address is None:
        # Whoever reaches the dashboard may run what he likes; there is none.
        ray.init("local", include_dashboard=False, log_to_driver=False)
    else:
        ray.init(address, log_to_driver=False)


def _start(settings: Settings) -> None:
    where = {"host": settings.host, "port": settings.port}
    serve.start(proxy_location="EveryNode", http_options=where, logging_config=LOGGING)
    try:
        serve.run(app(_given(settings)), name=NAME, route_prefix="/")
    except RuntimeError:
        said = serve.status().applications[NAME].deployments[NAME].message
        log.error("the replicas could not start", extra={"reason": said})  # noqa: TRY400  (a refusal, not a fault)
        raise WorkerFailed("the replicas could not start; the log says why") from None
    log.info("serving", extra={"models": str(settings.models), **where, "ray": ray.get_runtime_context().gcs_address})


def _given(settings: Settings) -> dict[str, object]:
    return settings.model_dump(mode="json", include=settings.model_fields_set)


def _deployment(settings: Settings) -> serve.Deployment:
    plain = serve.deployment(
        name=NAME,
        max_ongoing_requests=MAX_ONGOING,
        max_queued_requests=MAX_QUEUED,
        backpressure_config={"status_code": 429, "retry_after_s": 1.0},
        health_check_period_s=PROBE_PERIOD_SECONDS,
        health_check_timeout_s=PROBE_TIMEOUT_SECONDS,
        graceful_shutdown_timeout_s=server.DRAIN_SECONDS,
        max_constructor_retry_count=START_TRIES,
        logging_config=LOGGING,
        ray_actor_options={"num_cpus": settings.threads if "threads" in settings.model_fields_set else 1},
    )(serve.ingress()(Replica))
    if "workers" in settings.model_fields_set:
        return plain.options(num_replicas=settings.workers)
    scaling = {"min_replicas": 1, "max_replicas": settings.workers, "target_ongoing_requests": TARGET_ONGOING}
    return plain.options(autoscaling_config=scaling)


def _cores() -> int:
    reserved: dict[str, float] = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]
    return max(1, int(reserved.get("CPU", 1)))


def _leave(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
