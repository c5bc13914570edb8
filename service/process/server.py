"""Settings to a listening server: uvicorn with uvloop and httptools, one process or several on one port."""

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
from ..repository import preflight, scan
from ..repository.preflight import PreflightResults
from ..repository.scan import Key
from ..settings import Settings
from .http_protocol import OneWriteProtocol
from .port import reserve

KEEP_ALIVE_SECONDS = 75  # longer than the idle time of common proxies, so that they close first
DRAIN_SECONDS = 20
# A request makes some forty objects that the collector counts, and nearly all die with it.
YOUNG_OBJECTS = 20_000
# So long may a thread that draws or writes rows keep the interpreter from the loop; Python's own default is 5 ms.
SWITCH_SECONDS = 0.0005
# How a worker process is told its settings, what the versions that were there at the start are like, and the folder in
# which all count together.
HANDED_DOWN_SETTINGS: Final = "DIFFEO_WORKER_SETTINGS"
HANDED_DOWN_VERDICTS: Final = "DIFFEO_WORKER_VERDICTS"
COUNTED_IN: Final = "DIFFEO_WORKER_LEDGER"
MEMORY: Final = Path("/dev/shm")  # noqa: S108  (its folders here are private)

log = logging.getLogger("diffeo")


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish what runs and stop.

    Raises:
        ServiceError: the settings cannot be served; nothing listens then.
        ProviderMissing: this machine lacks the execution provider that the settings name.
    """
    logs.configure(settings.log_level)
    serve_here = _serve_alone if settings.workers == 1 else _serve_by_workers
    try:
        serve_here(settings)
    except SystemExit as end:
        if end.code:
            # uvicorn has logged the system's own words, and would end the process here.
            raise NotListening(f"cannot listen on {settings.host} port {settings.port}; is it taken?") from None


def _serve_alone(settings: Settings) -> None:
    app = _create_app(settings, {}, SharedCounters())
    # uvicorn drains, then raises the signal once more; leaving on purpose is success.
    signal.signal(signal.SIGTERM, _leave)
    _announce(settings)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(_config(app, settings)).run()


def _serve_by_workers(settings: Settings) -> None:
    # What can be seen without a runtime is refused here in a sentence, and each version is tried once for all workers.
    os.environ[HANDED_DOWN_SETTINGS] = settings.model_dump_json()
    os.environ[HANDED_DOWN_VERDICTS] = preflight.dump(_tried(settings, {}))
    config = _config("diffeo.service.process.server:worker", settings, factory=True, workers=settings.workers)
    supervisor = Multiprocess(config, [reserve(settings.host, settings.port)])
    with _scratch() as books:
        os.environ[COUNTED_IN] = books
        _announce(settings)
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise WorkerFailed("the workers could not start; the log says why")


def _scratch() -> tempfile.TemporaryDirectory[str]:
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    try:
        return tempfile.TemporaryDirectory(prefix="diffeo-", dir=place, ignore_cleanup_errors=True)
    except OSError:
        raise WorkerFailed("no folder for temporary files; set TMPDIR to one, or DIFFEO_WORKERS=1") from None


def worker() -> ASGIApp:
    """The application of one worker process; uvicorn calls it there."""
    settings = Settings.model_validate_json(os.environ[HANDED_DOWN_SETTINGS])
    logs.configure(settings.log_level)
    try:
        known = preflight.parse(os.environ[HANDED_DOWN_VERDICTS])
        return _create_app(settings, known, SharedCounters(Path(os.environ[COUNTED_IN])))
    except (ServiceError, EngineError) as error:
        log.error("the worker could not start", extra={"reason": str(error)})  # noqa: TRY400  (a refusal, not a fault)
        # The code that tells the supervisor not to try again.
        sys.exit(STARTUP_FAILURE)


def _tried(settings: Settings, known: PreflightResults) -> PreflightResults:
    keys = [(name, version) for name, versions in scan.look(settings).items() for version in versions]
    # uvicorn asks a worker for its application inside of a loop, so this one turns elsewhere.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, preflight.try_out(settings, keys, known)).result()


def faults_of(settings: Settings, known: PreflightResults) -> dict[Key, str]:
    """What is wrong with the versions in the folder of the settings, each tried in another process unless known."""
    return {key: verdict.fault for key, verdict in _tried(settings, known).items() if verdict.fault is not None}


def _create_app(settings: Settings, known: PreflightResults, ledger: SharedCounters) -> ASGIApp:
    # The supervisor of several workers serves nothing, so it has no use for the application and its runtime.
    from ..app import create_app  # noqa: PLC0415

    # A worker that takes the place of a dead one tries what has been published since: it may be what the other died of.
    app = create_app(settings, faults_of(settings, known), ledger)
    settle_down()
    return app


def settle_down() -> None:
    """Make this process one that answers at once, with all that it will hold."""
    # All that stands now stays: the collector need not walk it in the middle of a request, which takes it 20 ms.
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
        http=OneWriteProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        # Nothing here asks who the client is.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _announce(settings: Settings) -> None:
    where = {"models": str(settings.models), "host": settings.host, "port": settings.port}
    log.info("serving", extra={**where, "workers": settings.workers})


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)
