"""Writes logs to standard output as JSON, one object a line.

Standard output needs no rotation, and a client cannot forge a line of JSON.
"""

import asyncio
import json
import logging
import math
import sys
import time
from collections.abc import Mapping
from typing import Final, TextIO

import orjson

# The attributes that every log record has; all others came with `extra`.
STANDARD_ATTRIBUTES: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message", "asctime", "taskName", "color_message"
}  # fmt: skip
# Marks a record whose message is already one or more lines of JSON.
FORMATTED: Final = "formatted_lines"
# The line of a request is written at most this many seconds after the response.
FLUSH_SECONDS: Final = 0.02
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"
# A name in the repository has at most 64 characters, and the longest suffix of a /v2 model has 8.
MAX_NAME_CHARACTERS: Final = 72
MAX_VERSION: Final = 2**31
# Longer integers, in bits, and values of other types are logged as text of at most this length.
LONGEST_INTEGER: Final = 64
MAX_VALUE_CHARACTERS: Final = 200


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: time, level, logger, message, and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of ASCII."""
        if FORMATTED in record.__dict__:
            return record.getMessage()
        content: dict[str, object] = {
            "time": self.formatTime(record, TIME_FORMAT),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        content |= {name: value for name, value in record.__dict__.items() if name not in STANDARD_ATTRIBUTES}
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str, ensure_ascii=True)


class AccessLines:
    """Writes one line for each request: at once if the service is idle, several lines together if it is busy.

    One call of Python's logging costs as much as the answer to a small request, so lines share a call.
    """

    def __init__(self) -> None:
        self._log = logging.getLogger("diffeo.access")
        self._pending: list[dict[str, object]] = []
        self._last_flush = 0.0

    @property
    def wanted(self) -> bool:
        """False if the log level leaves out the lines of requests."""
        return self._log.isEnabledFor(logging.INFO)

    def add(self, fields: dict[str, object]) -> None:
        """Log one request, at most FLUSH_SECONDS from now."""
        if not self._pending:
            loop = asyncio.get_running_loop()
            wait = self._last_flush + FLUSH_SECONDS - loop.time()
            if wait > 0:
                loop.call_later(wait, self.flush)
            else:
                loop.call_soon(self.flush)
        fields["time"] = time.strftime(TIME_FORMAT) if not self._pending else self._pending[0]["time"]
        self._pending.append(fields)

    def flush(self) -> None:
        """Write all pending lines."""
        if self._pending:
            self._last_flush = asyncio.get_running_loop().time()
            # The list is emptied first: whatever happens to these lines, `add` must start the next flush.
            pending, self._pending = self._pending, []
            self._log.info("\n".join(map(_line, pending)), extra={FORMATTED: True})


def named_model(parameters: Mapping[str, object]) -> dict[str, object]:
    """The fields `model` and `version` of a request whose model was not found, as the request names them.

    Text is cut, because a client can send any text. A value of another type is left out.

    Example:
        >>> named_model({"model": "moons", "version": "2"})
        {'model': 'moons', 'version': 2}
    """
    fields: dict[str, object] = {}
    name, version = parameters.get("model"), parameters.get("version")
    if isinstance(name, str):
        # JSON can hold half of a surrogate pair, which has no UTF-8.
        fields["model"] = name[:MAX_NAME_CHARACTERS].encode(errors="replace").decode()
    if isinstance(version, str) and version.isdecimal() and len(version) < len(str(MAX_VERSION)):
        version = int(version)
    if isinstance(version, int) and not isinstance(version, bool) and 0 <= version < MAX_VERSION:
        fields["version"] = version
    return fields


def _line(fields: dict[str, object]) -> str:
    content = {"time": fields["time"], "level": "info", "logger": "diffeo.access", "message": "request", **fields}
    try:
        line = orjson.dumps(content)
        text = line.decode() if line.isascii() else json.dumps(orjson.loads(line))
    except TypeError:
        # A value that orjson does not encode, such as an integer of more than 64 bits or half of a surrogate pair.
        text = json.dumps({name: _encodable(value) for name, value in content.items()})
    # JSON escapes every control character but this one.
    return text.replace("\x7f", "\\u007f") if "\x7f" in text else text


def _encodable(value: object) -> object:
    """The value, or its text if it has no short form in strict JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        # Python does not print an integer of more than 4300 decimal digits.
        return value if value.bit_length() < LONGEST_INTEGER else hex(value)[:MAX_VALUE_CHARACTERS]
    if value is None or isinstance(value, str):
        return value
    return ascii(value)[:MAX_VALUE_CHARACTERS]


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send the log of this process to one stream as JSON lines.

    Args:
        level: the lowest level that is logged: debug, info, warning or error.
        stream: standard output unless given.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
