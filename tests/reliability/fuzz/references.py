"""Slow readers of JSON, ndjson and csv, with Python's own parsers: what a decoder returns must equal what they read."""

import json
import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from diffeo.service.requests import Payload, Rows

ROWS_NAMES: Final = ("x", "z")
MISSING: Final = frozenset({"", "na", "n/a", "nan", "+nan", "-nan", "null", "none", "<na>"})
BLANKS: Final = " \t"


def json_agrees(body: bytes, payload: object) -> bool:
    """True if Python's parser reads the same rows and parameters."""
    assert isinstance(payload, Payload)
    document = _strict(body.decode())
    assert isinstance(document, dict)
    rows = [document.pop(name) for name in ROWS_NAMES if name in document]
    if document != payload.parameters:
        return False
    return payload.rows is None if not rows else _equal(rows[0], payload.rows)


def ndjson_agrees(body: bytes, payload: object) -> bool:
    """True if Python's parser reads the same row from every line."""
    assert isinstance(payload, Payload)
    lines = body.split(b"\n")
    values = [_strict(line.decode()) for line in (lines if lines[-1] else lines[:-1])]
    rows = [value[payload.rows_name] if isinstance(value, dict) else value for value in values]
    return payload.rows is None if not body else _equal(rows, payload.rows)


def csv_agrees(body: bytes, payload: object) -> bool:
    """True if a plain split into cells gives the same numbers; a text with quotes is not compared."""
    assert isinstance(payload, Payload)
    if b'"' in body or payload.rows is None:
        return True
    text = body.removeprefix(b"\xef\xbb\xbf").decode()
    records = [line.split(",") for line in re.split(r"\r\n|\r|\n", _without_blank_lines(text))]
    names = [cell.strip(BLANKS) for cell in records.pop(0)] if payload.columns is not None else None
    columns = [[_number(row[column]) for row in records] for column in range(payload.rows.shape[1])]
    if names is not None:
        cells = [[_number(row[column]) for row in records] for column in range(len(names))]
        readable = [column for column, values in enumerate(cells) if None not in values]
        if tuple(names[column] for column in readable) != payload.columns:
            return False
        columns = [cells[column] for column in readable]
    return _equal([list(row) for row in zip(*columns, strict=True)] if columns else [], payload.rows)


def _without_blank_lines(text: str) -> str:
    # Blanks at the end of the last row belong to it.
    end = len(text.rstrip(" \t\r\n"))
    rest = re.match(r"[ \t]*", text[end:])
    return text[: end + (rest.end() if rest else 0)]


def _number(cell: str) -> float | None:
    text = cell.strip(BLANKS)
    if text.lower() in MISSING:
        return np.nan
    try:
        return float(text) if text.isascii() and "_" not in text and text == text.strip() else None
    except ValueError:
        return None


def _equal(rows: Sequence[object], found: Rows | None) -> bool:
    expected = np.array(rows, dtype=np.float64)
    if found is None:
        return False
    return expected.size == found.size and np.array_equal(expected.reshape(found.shape), found, equal_nan=True)


def _strict(text: str) -> object:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    assert len(found) == len(pairs), "a key is repeated"
    return found


def _refuse(text: str) -> object:
    raise AssertionError(f"{text} is no JSON")
