"""Logs are JSON, one object a line, on standard output: nothing to rotate, nothing that a client can forge."""

import asyncio
import json
import logging
import sys
import time
from typing import Final

import orjson

PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
# Marks a record whose message is JSON lines already.
READY: Final = "ready_lines"
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
    """One line a request; those of one turn of the loop are written at once, which a busy service needs."""

    def __init__(self) -> None:
        self._log = logging.getLogger("diffeo.access")
        self._waiting: list[dict[str, object]] = []

    @property
    def wanted(self) -> bool:
        """False when requests are not logged."""
        return self._log.isEnabledFor(logging.INFO)

    def add(self, fields: dict[str, object]) -> None:
        """Log one request before the loop turns again."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write)
        self._waiting.append(fields)

    def _write(self) -> None:
        head = {"time": time.strftime(TIME), "level": "info", "logger": self._log.name, "message": "request"}
        text = "\n".join(_line(head | fields) for fields in self._waiting)
        self._waiting.clear()
        self._log.info(text, extra={READY: True})


def _line(content: dict[str, object]) -> str:
    line = orjson.dumps(content)
    return line.decode() if line.isascii() else json.dumps(content)


def configure(level: str) -> None:
    """Send every logger of this process through one handler."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
