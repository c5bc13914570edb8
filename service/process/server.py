"""Starts the server: uvicorn with uvloop and httptools, in one process or in several workers on one port."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NoReturn

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from diffeo.runtime.errors import EngineError

from ..errors import NotListening, ServiceError, WorkerFailed
from ..observability import logs
from ..observability.shared_counters import SharedCounters
from ..repository import preflight, result, scan
from ..repository.result import NO_RESULTS, PreflightResults
from ..settings import Settings
from .http_protocol import SingleWriteProtocol
from .port import reserve

KEEP_ALIVE_SECONDS: Final = 75  # longer than common proxies keep an idle connection, so that they close it first
DRAIN_SECONDS: Final = 20  # for running requests, when the server stops
# A request allocates about forty objects that the garbage collector tracks. Nearly all are freed with the request.
YOUNG_OBJECTS: Final = 20_000
# The longest time that a thread keeps the interpreter from the event loop; Python's default is 5 ms.
SWITCH_SECONDS: Final = 0.0005
# A worker gets these from the supervisor in its environment: the settings, the file with the results of the preflight,
# and the folder of the counters that all workers share.
WORKER_SETTINGS: Final = "DIFFEO_WORKER_SETTINGS"
WORKER_PREFLIGHT: Final = "DIFFEO_WORKER_PREFLIGHT"
WORKER_COUNTERS: Final = "DIFFEO_WORKER_COUNTERS"
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  (the folder that is created in it is private)

log = logging.getLogger("diffeo")


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish the running requests and stop.

    Raises:
        ServiceError: the service cannot start with these settings; no port is opened.
        ProviderMissing: this machine lacks the execution provider that the settings name.
    """
    logs.configure(settings.log_level)
    serve_settings = _serve_alone if settings.workers == 1 else _serve_with_workers
    try:
        serve_settings(settings)
    except SystemExit as exit_:
        if exit_.code:
            # uvicorn exits when it cannot listen, after it has logged the error of the operating system.
            raise NotListening(f"cannot listen on {settings.host} port {settings.port}; is it taken?") from None


def _serve_alone(settings: Settings) -> None:
    app = _create_app(settings, NO_RESULTS, SharedCounters())
    # After the running requests, uvicorn raises the signal again. A stop on request is a success: exit code 0.
    signal.signal(signal.SIGTERM, _exit)
    _log_start(settings)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(_config(app, settings)).run()


def _serve_with_workers(settings: Settings) -> None:
    # One preflight serves all workers. An empty repository is an error here, before a worker starts.
    os.environ[WORKER_SETTINGS] = settings.model_dump_json()
    results = preflight_results(settings)
    config = _config("diffeo.service.process.server:worker", settings, factory=True, workers=settings.workers)
    supervisor = Multiprocess(config, [reserve(settings.host, settings.port)])
    with _counter_folder() as folder, result.written(results) as path:
        os.environ[WORKER_PREFLIGHT] = path
        os.environ[WORKER_COUNTERS] = folder
        _log_start(settings)
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise WorkerFailed("the workers could not start; the log has the reason")


def _counter_folder() -> tempfile.TemporaryDirectory[str]:
    parent = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    try:
        return tempfile.TemporaryDirectory(prefix="diffeo-", dir=parent, ignore_cleanup_errors=True)
    except OSError:
        raise WorkerFailed(
            "no folder for temporary files; set TMPDIR to a writable folder, or set DIFFEO_WORKERS=1"
        ) from None


def worker() -> ASGIApp:
    """Create the application of one worker; uvicorn calls this in the worker process."""
    settings = Settings.model_validate_json(os.environ[WORKER_SETTINGS])
    logs.configure(settings.log_level)
    try:
        known = result.read(os.environ[WORKER_PREFLIGHT])
        return _create_app(settings, known, SharedCounters(Path(os.environ[WORKER_COUNTERS])))
    except (ServiceError, EngineError) as error:
        log.error("the worker could not start", extra={"reason": str(error)})  # noqa: TRY400  (the reason is enough; a traceback is for bugs)
        # With this exit code the supervisor does not start the worker again.
        sys.exit(STARTUP_FAILURE)


def preflight_results(settings: Settings, known: PreflightResults = NO_RESULTS) -> PreflightResults:
    """The result of the preflight of every version in the repository folder.

    Args:
        settings: the repository folder, and how the versions will be served.
        known: earlier results; a version whose files are unchanged is not checked again.
    """
    keys = [(name, version) for name, versions in scan.find_versions(settings).items() for version in versions]
    # In a worker, uvicorn calls this inside its event loop, so the preflight gets an event loop in another thread.
    with ThreadPoolExecutor(1) as thread:
        checks = preflight.check(settings, keys, known, preflight.PATIENCE_SECONDS)
        return thread.submit(asyncio.run, checks).result()


def _create_app(settings: Settings, known: PreflightResults, counters: SharedCounters) -> ASGIApp:
    # Imported here: the supervisor of several workers needs neither the application nor a runtime.
    from ..app import create_app  # noqa: PLC0415

    # A worker that replaces a dead one also checks the versions published since then: one may have killed the other.
    app = create_app(settings, preflight_results(settings, known), counters)
    tune_interpreter()
    return app


def tune_interpreter() -> None:
    """Avoid pauses of the garbage collector and long thread switches; call it when all models are loaded."""
    # These objects are never freed. Without freeze, the collector would check all of them during a request, for 20 ms.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    sys.setswitchinterval(SWITCH_SECONDS)


def _config(app: ASGIApp | str, settings: Settings, *, factory: bool = False, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=factory,
        workers=workers,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=SingleWriteProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        # The service does not use the client's address.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _log_start(settings: Settings) -> None:
    fields = {"models": str(settings.models), "host": settings.host, "port": settings.port}
    log.info("serving", extra={**fields, "workers": settings.workers})


def _exit(*_: object) -> NoReturn:
    raise SystemExit(0)
