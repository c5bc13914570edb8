"""Logs are JSON, one object a line, on standard output: nothing to rotate, nothing that a client can forge."""

import asyncio
import json
import logging
import sys
import time
from typing import Final, TextIO

import orjson

PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
# Marks a record whose message is JSON lines already.
READY: Final = "ready_lines"
# So long may the line of a request wait for others.
FLUSH_SECONDS: Final = 0.02
TIME: Final = "%Y-%m-%dT%H:%M:%S%z"


class JsonLines(logging.Formatter):
    """One JSON object per record: time, level, logger, message, and whatever `extra` holds."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of ASCII."""
        if READY in record.__dict__:
            return record.getMessage()
        content: dict[str, object] = {
            "time": self.formatTime(record, TIME),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        content |= {name: value for name, value in record.__dict__.items() if name not in PLAIN}
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str, ensure_ascii=True)


class AccessLines:
    """One line a request: at once where the service is idle, with others where it is not.

    A line through Python's logging costs as much as a small request's answer.
    """

    def __init__(self) -> None:
        self._log = logging.getLogger("diffeo.access")
        self._waiting: list[dict[str, object]] = []
        self._written = 0.0

    @property
    def wanted(self) -> bool:
        """False when requests are not logged."""
        return self._log.isEnabledFor(logging.INFO)

    def add(self, fields: dict[str, object]) -> None:
        """Log one request, at the latest FLUSH_SECONDS from now."""
        if not self._waiting:
            loop = asyncio.get_running_loop()
            wait = self._written + FLUSH_SECONDS - loop.time()
            if wait > 0:
                loop.call_later(wait, self.flush)
            else:
                loop.call_soon(self.flush)
        fields["time"] = time.strftime(TIME) if not self._waiting else self._waiting[0]["time"]
        self._waiting.append(fields)

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._written = asyncio.get_running_loop().time()
            lines = map(_line, self._waiting)
            self._log.info("\n".join(lines), extra={READY: True})
            self._waiting.clear()


def _line(fields: dict[str, object]) -> str:
    head = {"time": fields["time"], "level": "info", "logger": "diffeo.access", "message": "request"}
    line = orjson.dumps(head | fields)
    return line.decode() if line.isascii() else json.dumps(orjson.loads(line))


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send every logger of this process through one handler, to standard output unless another stream is given."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
