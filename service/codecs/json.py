"""JSON: strict in (no NaN, no duplicate key, no ragged row), strict out (null where a row has no answer).

Two quick ways, one for small bodies and one for large, prove that a body is plainly clean; what they cannot prove takes
the exact way, value by value, which has the words for what is wrong.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import orjson
import simdjson

from ..answer import Answer, Tensor
from ..errors import InvalidRequest, MalformedBody
from ..requests import Payload, Rows
from .codec import Outline

ROWS: Final = ("x", "z")
# Several times what any call takes; each key costs a walk over the object.
MAX_KEYS: Final = 64
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# Below this orjson and Python's own lists are faster than simdjson and its buffer.
SMALL_BYTES: Final = 300
# An integer that may not fit into 64 bits, which the two parsers judge differently.
LONG_INTEGER: Final = re.compile(rb"[0-9]{19}")
NUMBERS: Final = b"0123456789+-.eE \t\r\n"


class Json:
    """application/json."""

    name = "json"
    media_type = "application/json"
    single = False

    def decode(self, body: bytes, query: Mapping[str, str]) -> Payload:
        """Parameters and rows, all from the body."""
        if query:
            raise InvalidRequest.at(
                "", "with a JSON body every parameter goes into the body, none into the query string"
            )
        if len(body) <= SMALL_BYTES and (payload := _decode_small(body)) is not None:
            return payload
        document = parse(body)
        names = keys(document)
        named = [key for key in names if key in ROWS]
        parameters = {key: plain(document[key]) for key in names if key not in ROWS}
        if len(named) > 1:
            raise InvalidRequest.at("/z", "give x or z, not both")
        if not named:
            return Payload(parameters)
        return Payload(parameters, _rows(named[0], document[named[0]], body), named[0])

    def encode(self, answer: Answer) -> bytes:
        """One object; floats are the shortest text that reads back as the same float32."""
        content: dict[str, object] = {"model": answer.model, "version": answer.version, **answer.facts}
        invalid = [row.row for row in answer.invalid_rows]
        for name, tensor in answer.tensors.items():
            content[name] = _with_nulls(tensor, invalid) if invalid else np.ascontiguousarray(tensor)
        if invalid:
            content["invalid_rows"] = [{"row": row.row, "reason": row.reason} for row in answer.invalid_rows]
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)

    def stream(self, _: Outline) -> None:
        """One object is sent whole."""
        return


def _decode_small(body: bytes) -> Payload | None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    # As many colons as keys: no key is repeated and nothing is nested. No escape: every text is what it looks like.
    if type(document) is not dict or body.count(b":") != len(document) or b"\\" in body or LONG_INTEGER.search(body):
        return None
    if "x" in document:
        name = "x"
    elif "z" in document:
        name = "z"
    else:
        return Payload(document)
    rows = document.pop(name)
    if "z" in document or not _is_small_table(rows):
        return None
    return Payload(document, np.array(rows, dtype=np.float64), name)


def _is_small_table(rows: object) -> bool:
    if type(rows) is not list or not rows or type(rows[0]) is not list or not rows[0]:
        return False
    width = len(rows[0])
    for row in rows:
        if type(row) is not list or len(row) != width:
            return False
        for value in row:
            # Not isinstance: True is an int.
            if type(value) is not float and type(value) is not int:
                return False
    return True


def parse(body: bytes) -> simdjson.Object:
    """The one object in the bytes.

    Raises:
        MalformedBody: they are not JSON, or not an object.
    """
    if body.startswith(BYTE_ORDER_MARK):
        raise MalformedBody("the body begins with a byte order mark; send UTF-8 without one")
    try:
        document = simdjson.Parser().parse(body)
    # simdjson reports syntax as ValueError and numbers beyond 64 bits as RuntimeError, each as "CODE: sentence".
    except (ValueError, RuntimeError) as error:
        raise MalformedBody(f"the body is not JSON: {str(error).rpartition(': ')[2].strip()}") from None
    if not isinstance(document, simdjson.Object):
        raise MalformedBody("the body is not a JSON object")
    return document


def keys(document: simdjson.Object) -> list[str]:
    """The keys of an object, each once.

    Raises:
        InvalidRequest: there are too many.
        MalformedBody: one is repeated, or cannot be looked up.
    """
    names = list(document.keys())
    if len(names) > MAX_KEYS:
        raise InvalidRequest.at("", f"the body has {len(names)} keys; expected at most {MAX_KEYS}")
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise MalformedBody(f"the body repeats the key {ascii(repeated)[:64]}")
    # simdjson looks a key up as a C string: one with a NUL inside would find the value of another.
    if any("\0" in name for name in names):
        raise MalformedBody("a key of the body holds a NUL character")
    return names


def plain(value: object) -> object:
    """The value in Python's own objects."""
    if isinstance(value, simdjson.Array):
        return value.as_list()
    return value.as_dict() if isinstance(value, simdjson.Object) else value


def _rows(name: str, value: object, body: bytes) -> Rows:
    if not isinstance(value, simdjson.Array):
        raise InvalidRequest.at(f"/{name}", f"{name} must be a list of rows, each a list of numbers")
    count = len(value)
    try:
        # The buffer is flat: it tells the numbers and not where rows end.
        flat = np.frombuffer(value.as_buffer(of_type="d"), dtype=np.float64)
    except TypeError:
        return _rows_one_by_one(name, value.as_list())
    width = flat.size // count if count else 0
    if width and _is_table(body, count, width):
        return flat.reshape(count, width)
    return _rows_one_by_one(name, value.as_list())


def _is_table(body: bytes, count: int, width: int) -> bool:
    """True when the one nested list of a valid document is `count` rows of `width` numbers.

    Without numbers and white space such a list is a pattern. That no other bracket is in the body makes sure that the
    pattern is this list, and not the text of a string.
    """
    skeleton = body.translate(None, NUMBERS)
    row = b"[" + b"," * (width - 1) + b"],"
    pattern = b"[" + (row * count)[:-1] + b"]"
    return skeleton.count(b"[") == count + 1 and skeleton.startswith(pattern, skeleton.find(b"["))


def _rows_one_by_one(name: str, rows: Sequence[object]) -> Rows:
    table: list[list[float]] = []
    for index, row in enumerate(rows):
        if not isinstance(row, list) or not row:
            raise InvalidRequest.at(f"/{name}/{index}", "expected a row: a list of numbers")
        if table and len(row) != len(table[0]):
            detail = f"this row has {len(row)} numbers, the rows before it {len(table[0])}"
            raise InvalidRequest.at(f"/{name}/{index}", detail)
        table.append([_number(value, f"/{name}/{index}/{column}") for column, value in enumerate(row)])
    return np.array(table, dtype=np.float64).reshape(len(table), len(table[0]) if table else 0)


def _number(value: object, pointer: str) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise InvalidRequest.at(pointer, "expected a number, or null for a value that is missing")


def _with_nulls(tensor: Tensor, invalid: list[int]) -> list[object]:
    # orjson widens Python floats to float64 text, so the shortest float32 text is taken row by row from NumPy.
    rows: list[object] = [orjson.Fragment(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)) for row in tensor]
    for index in invalid:
        rows[index] = None
    return rows
