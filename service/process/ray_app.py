"""Runs the service under Ray Serve: every replica is a process with the whole ASGI application and its own batchers.

Replicas share nothing. Row i of a sample depends only on (seed, i), so every replica computes the same rows.
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
from ..settings import Settings, read_settings
from . import server
from .graceful_server import DRAIN_SECONDS
from .port import PortReservation

NAME: Final = "diffeo"
# Requests in one replica at the same time. Its own queue limits the rows and answers 429 with Retry-After.
MAX_ONGOING: Final = 1024
# Further requests in one proxy: this limits its memory.
MAX_QUEUED: Final = 1024
# Eight concurrent requests, small or large, keep one core busy; with more, autoscaling adds a replica.
TARGET_ONGOING: Final = 8
# Ray Serve replaces a replica after three failed health probes.
PROBE_PERIOD_SECONDS: Final = 5.0
PROBE_TIMEOUT_SECONDS: Final = 10.0
START_TRIES: Final = 3
# The application logs each request itself, so Ray's access log is off.
LOGGING: Final = {"encoding": "JSON", "enable_access_log": False}

log = logging.getLogger("diffeo")


class Replica:
    """One process that serves the whole repository.

    Args:
        overrides: settings by name; they replace those of the environment.
    """

    def __init__(self, overrides: Mapping[str, object]) -> None:
        settings = read_settings({"threads": _reserved_cores(), **overrides})
        if "allowed_hosts" not in settings.model_fields_set:
            # The proxies listen, not this replica, so its own host does not tell under which names clients call.
            settings = settings.model_copy(update={"allowed_hosts": ("*",)})
        # Ray Serve replaces sys.stdout by its own log, which would wrap each of our JSON lines into another line.
        logs.configure(settings.log_level, sys.__stdout__)
        identity = serve.get_replica_context().replica_id.unique_id
        results = server.preflight_results(settings)
        self._service = create_service(settings, results, labels={"replica": identity})
        server.tune_interpreter()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return SingleRequestId(self._service.app)

    async def check_health(self) -> None:
        """Compute a row with each model. Without this method, Ray Serve tests only that the process answers."""
        await self._service.health_probe.check()


class SingleRequestId:
    """Removes our X-Request-Id header from the responses of an application, because Ray adds the same header again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["x-request-id"]
            await send(message)

        await self._app(scope, receive, send_without_id)


def app(arguments: dict[str, object]) -> Application:
    """The application for `serve run diffeo.service.process.ray_app:app [SETTING=VALUE ...]` and for `deploy/ray.yaml`.

    Args:
        arguments: settings of the service by name. `threads` is the number of cores that a replica reserves, one by
            default. `workers` is the number of replicas; by default it follows the load.

    Raises:
        SettingsInvalid: a name is no setting, or a value is out of range.
    """
    unknown = sorted(arguments.keys() - Settings.model_fields)
    if unknown:
        raise SettingsInvalid(f"no setting is called {', '.join(unknown)}")
    settings = read_settings(arguments)
    # A replica runs in another working folder, so a relative path would not be found.
    overrides = {**_explicit(settings), "models": str(settings.models.absolute())}
    return _deployment(settings).bind(overrides)


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, on the cluster that RAY_ADDRESS names, or on a new cluster of this machine.

    Raises:
        NothingToServe: the repository folder is empty or absent on this machine.
        NotListening: the port is taken, or this machine does not have the address.
        WorkerFailed: no replica could start.
    """
    logs.configure(settings.log_level)
    # Here the proxies listen on the host of the settings, so each replica gets the names that fit it.
    settings = settings.model_copy(update={"allowed_hosts": settings.allowed_hosts})
    # An empty repository is reported here at once; in a replica it would end a long start.
    scan.find_versions(settings)
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        settings = settings.model_copy(update={"port": _free_port(settings)})
    # Standard output is for the JSON lines of our log, so the output of Ray goes to standard error.
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(KeyboardInterrupt):
        try:
            _connect(address)
            signal.signal(signal.SIGTERM, _interrupt)
            _start(settings)
            signal.pause()
        finally:
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def _free_port(settings: Settings) -> int:
    # If the port were taken, HAProxy would wait for it, and this process would wait for HAProxy.
    with PortReservation(settings.host, settings.port) as port:
        return port.number


def _connect(address: str | None) -> None:
    if address is None:
        # No dashboard: anyone who can open it can run code on this machine.
        ray.init("local", include_dashboard=False, log_to_driver=False)
    else:
        ray.init(address, log_to_driver=False)


def _start(settings: Settings) -> None:
    address = {"host": settings.host, "port": settings.port}
    serve.start(proxy_location="EveryNode", http_options=address, logging_config=LOGGING)
    try:
        serve.run(app(_explicit(settings)), name=NAME, route_prefix="/")
    except RuntimeError:
        reason = serve.status().applications[NAME].deployments[NAME].message
        log.error("the replicas could not start", extra={"reason": reason})  # noqa: TRY400  (the reason is enough; a traceback is for bugs)
        raise WorkerFailed("the replicas could not start; the log has the reason") from None
    log.info("serving", extra={"models": str(settings.models), **address, "ray": ray.get_runtime_context().gcs_address})


def _explicit(settings: Settings) -> dict[str, object]:
    # Without the defaults, so that each replica uses the defaults of its own machine.
    return settings.model_dump(mode="json", include=settings.model_fields_set)


def _deployment(settings: Settings) -> serve.Deployment:
    deployment = serve.deployment(
        name=NAME,
        max_ongoing_requests=MAX_ONGOING,
        max_queued_requests=MAX_QUEUED,
        backpressure_config={"status_code": 429, "retry_after_s": 1.0},
        health_check_period_s=PROBE_PERIOD_SECONDS,
        health_check_timeout_s=PROBE_TIMEOUT_SECONDS,
        graceful_shutdown_timeout_s=DRAIN_SECONDS,
        max_constructor_retry_count=START_TRIES,
        logging_config=LOGGING,
        ray_actor_options={"num_cpus": settings.threads if "threads" in settings.model_fields_set else 1},
    )(serve.ingress()(Replica))
    if "workers" in settings.model_fields_set:
        return deployment.options(num_replicas=settings.workers)
    scaling = {"min_replicas": 1, "max_replicas": settings.workers, "target_ongoing_requests": TARGET_ONGOING}
    return deployment.options(autoscaling_config=scaling)


def _reserved_cores() -> int:
    reserved: dict[str, float] = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]
    return max(1, int(reserved.get("CPU", 1)))


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
