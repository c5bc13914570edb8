"""Serves as `diffeo serve` does, in one process, and tells what the process holds: `python -m ... MODELS PORT [LEAK]`.

GET /soak/usage collects garbage, returns free memory to the system, and counts what is left. With LEAK, every request
leaves an object of that many bytes behind: the soak must notice.
"""

import asyncio
import ctypes
import gc
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from diffeo.service import app as service_app
from diffeo.service.process.server import serve
from diffeo.service.settings import read_settings

USAGE: Final = "/soak/usage"
BYTES_HEADER: Final = sys.getsizeof(b"")


class ObservedApp:
    """An ASGI application that tells what its process holds, and leaks if it is told to."""

    def __init__(self, app: ASGIApp, leak_bytes: int) -> None:
        self._app = app
        self._leak_bytes = leak_bytes
        self._leaked: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == USAGE:
            content = json.dumps(usage()).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": content})
            return
        if self._leak_bytes:
            self._leaked.append(os.urandom(self._leak_bytes - BYTES_HEADER))
        await self._app(scope, receive, send)


def usage() -> dict[str, int]:
    """The memory of this process after its free memory is returned."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "memory_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "objects": sys.getallocatedblocks(),
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "open_files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }


def observed(create: Callable[..., ASGIApp], leak_bytes: int) -> Callable[..., ASGIApp]:
    """A factory of applications whose applications are observed."""

    def create_observed(*given: object, **named: object) -> ASGIApp:
        return ObservedApp(create(*given, **named), leak_bytes)

    return create_observed


def main() -> None:
    """Serve until SIGTERM."""
    models, port, *leak = sys.argv[1:]
    service_app.create_app = observed(service_app.create_app, int(leak[0]) if leak else 0)
    serve(read_settings({"models": models, "port": port, "workers": 1, "log_level": "warning"}))


if __name__ == "__main__":
    main()
