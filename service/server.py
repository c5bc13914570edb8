"""The process: settings to a listening server, uvicorn with uvloop and httptools."""

import logging
import signal
from typing import NoReturn

import uvicorn

from service import logs
from service.app import create_app
from service.errors import NotListening
from service.settings import Settings

KEEP_ALIVE_SECONDS = 75  # longer than the idle time of common proxies, so that they close first
DRAIN_SECONDS = 20


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish what runs and stop.

    Raises:
        ServiceError: the settings cannot be served; nothing listens then.
    """
    logs.configure(settings.log_level)
    log = logging.getLogger("diffeo")
    app = create_app(settings)
    # uvicorn drains, then raises the signal once more; leaving on purpose is success.
    signal.signal(signal.SIGTERM, _leave)
    log.info("serving", extra={"models": str(settings.models), "host": settings.host, "port": settings.port})
    try:
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    except SystemExit as end:
        if end.code:
            # uvicorn has logged the system's own words, and would end the process here.
            raise NotListening(f"cannot listen on {settings.host} port {settings.port}; is it taken?") from None


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)
