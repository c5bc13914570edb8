"""Starts the server: uvicorn with uvloop and httptools, in one process or in several workers on one port."""

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Final

import uvicorn
from starlette.types import ASGIApp

from ..connections.limits import ConnectionLimits
from ..connections.protocol import limited
from ..connections.registry import raise_file_limit
from ..errors import WorkerFailed
from ..observability import logs
from ..observability.shared_counters import SharedCounters
from ..repository import preflight, scan
from ..repository.result import NO_RESULTS, PreflightResults
from ..repository.shared_results import SharedResults
from ..security import key_store
from ..settings import Settings
from .graceful_server import GracefulServer
from .port import PortReservation
from .supervisor import Supervisor
from .worker_process import Launch, memory_file
from .worker_start import WorkerStart

# A request allocates about forty objects that the garbage collector tracks. Nearly all are freed with the request.
YOUNG_OBJECTS: Final = 20_000
# The longest time that a thread keeps the interpreter from the event loop; Python's default is 5 ms.
SWITCH_SECONDS: Final = 0.0005

log = logging.getLogger("diffeo")


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish the running requests and stop.

    Raises:
        ServiceError: the service cannot start with these settings; no connection is accepted.
        ProviderMissing: this machine lacks the execution provider that the settings name.
    """
    logs.configure(settings.log_level)
    raise_file_limit()
    # A mistake in the API keys is reported here; in a worker it would end the start of all of them.
    key_store.of(settings)
    # First of all: a second service on the port ends here, before it loads anything.
    with PortReservation(settings.host, settings.port) as port:
        if settings.workers == 1:
            _serve_alone(settings, port)
        else:
            _serve_with_workers(settings, port)


def _serve_alone(settings: Settings, port: PortReservation) -> None:
    app = create_worker_app(settings, SharedCounters())
    _log_start(settings, port)
    run(GracefulServer(server_config(app, settings), port.open_sockets(), settings.stop_delay_seconds))


def _serve_with_workers(settings: Settings, port: PortReservation) -> None:
    # One preflight serves all workers. An empty repository is an error here, before a worker starts.
    scan.check_default_model(settings)
    results = memory_file()
    SharedResults(results).add(preflight_results(settings))
    groups = [port.open_sockets() for _ in range(settings.workers)]
    listeners = [listener.fileno() for group in groups for listener in group]
    # While workers are restarted, old and new ones count at the same time.
    counters = [memory_file() for _ in range(2 * settings.workers + 1)]
    start = WorkerStart(
        settings.model_dump_json(), results.fileno(), tuple(listeners), tuple(file.fileno() for file in counters)
    )
    with memory_file() as content:
        start.write(content)
        size = len(groups[0])
        numbers = [range(first, first + size) for first in range(0, len(listeners), size)]
        supervisor = Supervisor(Launch(content, (*start.listeners, *start.counters, start.results)), numbers)
        _log_start(settings, port)
        asyncio.run(supervisor.run())
    _close(listener for group in groups for listener in group)
    _close((*counters, results))
    if supervisor.failed:
        raise WorkerFailed("the workers could not start; the log has the reason")


def run(server: GracefulServer) -> None:
    """Run a server until it stops."""
    server.run()
    if not server.finished:
        # A thread that still computes a request would hold the process until it has finished.
        sys.stdout.flush()
        os._exit(1 if server.force_exit else 0)


def preflight_results(settings: Settings, known: PreflightResults = NO_RESULTS) -> PreflightResults:
    """The result of the preflight of every version in the repository folder.

    Args:
        settings: the repository folder, and how the versions will be served.
        known: earlier results; a version whose files are unchanged is not checked again.
    """
    keys = [(name, version) for name, versions in scan.find_versions(settings).items() for version in versions]
    # In a worker, uvicorn calls this inside its event loop, so the preflight gets an event loop in another thread.
    with ThreadPoolExecutor(1) as thread:
        checks = preflight.check(settings, keys, known, preflight.PATIENCE)
        return thread.submit(asyncio.run, checks).result()


def create_worker_app(
    settings: Settings,
    counters: SharedCounters,
    shared_results: SharedResults | None = None,
    *,
    is_replacement: bool = False,
) -> ASGIApp:
    """The application of one process, with all models loaded.

    Args:
        settings: how the service runs.
        counters: counters that it shares with other processes.
        shared_results: results that it shares with other processes; a version whose files are unchanged is not checked
            again.
        is_replacement: True if a worker of this service has served before.
    """
    # Imported here: the supervisor of several workers needs neither the application nor a runtime.
    from ..app import create_app  # noqa: PLC0415

    # A worker that replaces a dead one checks the versions that no worker has checked: one may have killed the other.
    known = NO_RESULTS if shared_results is None else shared_results.read()
    results = preflight_results(settings, known)
    app = create_app(settings, results, counters, shared_results, checks_settings=not is_replacement)
    tune_interpreter()
    return app


def tune_interpreter() -> None:
    """Avoid pauses of the garbage collector and long thread switches; call it when all models are loaded."""
    # These objects are never freed. Without freeze, the collector would check all of them during a request, for 20 ms.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    sys.setswitchinterval(SWITCH_SECONDS)


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        # Otherwise uvicorn would serve an application that raises while it starts, as one that needs no start.
        lifespan="on",
        http=limited(ConnectionLimits.of(settings)),  # type: ignore[arg-type]  # uvicorn calls it as it calls a class
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        # The service reads the headers of trusted proxies itself.
        proxy_headers=False,
    )


def _log_start(settings: Settings, port: PortReservation) -> None:
    fields = {"models": str(settings.models), "host": settings.host, "port": port.number}
    log.info("serving", extra={**fields, "workers": settings.workers})


def _close(files: Iterable[IO[bytes] | socket.socket]) -> None:
    for file in files:
        file.close()
