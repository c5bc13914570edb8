"""JSON, strict in both directions: no NaN, repeated key or ragged row in a request; null for a row without a result.

Two fast paths, one for small bodies and one for larger bodies, accept only bodies that they can prove to be valid.
All other bodies take the careful path, which checks value by value and writes the error sentences. The rows of a long
body are read in pieces, so that no body takes much memory or holds the interpreter.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import orjson
import simdjson

from .. import offload
from ..answer import Answer, AnswerSchema, InvalidRow, Tensor
from ..errors import InvalidRequest, MalformedBody, RequestError, TooLarge
from ..requests import DEFAULT_LIMITS, ROWS_NAMES, Limits, Payload, Rows
from .parsing.long_document import LONG_BYTES, without_lists
from .parsing.long_list import (
    NOT_A_ROW,
    NOT_LISTS,
    LongList,
    TooManyValues,
    WrongList,
    malformed,
    read_list,
    skip_space,
)
from .parsing.number_text import BLOCK_VALUES, number_texts
from .parsing.strict_json import LONG_INTEGER, NUMBER_BYTES, WRONG_CELL, parse_object, to_python, unique_keys

# Up to this size orjson and Python lists are faster than simdjson and its buffer.
SMALL_BYTES: Final = 300
# Rows of a long answer that are written at once.
BLOCK_ROWS: Final = 4096
NOT_A_LIST: Final = "{name} is not a list; send a list of rows, each a list of numbers"
EMPTY: Final = np.empty((0, 0))
BOTH_NAMES: Final = "the body has both x and z; send only one of them"
TABLE_NUMBER_BYTES: Final = NUMBER_BYTES + b"\n"


class Json:
    """The format application/json."""

    name = "json"
    media_type = "application/json"
    single_array = False
    decode_multiple = 5
    encode_multiple = 7
    inline_bytes = offload.DECODE_BYTES

    def unpacked_bytes(self, body: bytes) -> int:
        """The size of the body; see `Codec.unpacked_bytes`."""
        return len(body)

    def decode(self, body: bytes, query: Mapping[str, str], limits: Limits = DEFAULT_LIMITS) -> Payload:
        """Decode the parameters and the rows, both from the body."""
        if query:
            raise parameters_in_query()
        if len(body) <= SMALL_BYTES and (payload := _decode_small(body)) is not None:
            return payload
        if len(body) > LONG_BYTES:
            return _decode_long(body, limits)
        document = parse_object(body)
        names = unique_keys(document)
        rows_names = [key for key in names if key in ROWS_NAMES]
        parameters = {key: to_python(document[key]) for key in names if key not in ROWS_NAMES}
        if len(rows_names) > 1:
            raise InvalidRequest.at("/z", BOTH_NAMES)
        if not rows_names:
            return Payload(parameters)
        try:
            rows = _decode_rows(rows_names[0], document[rows_names[0]], body)
        except RequestError as error:
            error.parameters = parameters
            raise
        return Payload(parameters, rows, rows_names[0])

    def encode(self, answer: Answer) -> bytes:
        """Encode one object. Each float is the shortest text that reads back as the same float32 or float64."""
        content: dict[str, object] = {"model": answer.model, "version": answer.version, **answer.metadata}
        if sum(tensor.size for tensor in answer.tensors.values()) > BLOCK_VALUES:
            return b"".join(_long_answer(content, answer))
        invalid = [row.row for row in answer.invalid_rows]
        for name, tensor in answer.tensors.items():
            content[name] = _rows_with_nulls(tensor, invalid) if invalid else np.ascontiguousarray(tensor)
        if invalid:
            content["invalid_rows"] = _described(answer.invalid_rows)
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)

    def stream_encoder(self, _: AnswerSchema) -> None:
        """None: one object is encoded at once."""
        return


def parameters_in_query() -> InvalidRequest:
    """The error of a request with a JSON body and parameters in its query string."""
    return InvalidRequest.at(
        "", "a request with a JSON body takes no parameters from the query string; put them into the body"
    )


def _decode_small(body: bytes) -> Payload | None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    # With as many colons as keys, no key is repeated and no object is nested. Without a backslash, every string is
    # written as it is.
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


class _LongBody:
    # Reads the rows of a body whose rows are read in pieces.

    def __init__(self, body: bytes, limits: Limits) -> None:
        self.name: str | None = None
        self._body = body
        self._limits = limits

    def read(self, key: str, begin: int, before: bytes) -> LongList:
        if key == self.name:
            raise MalformedBody(f"the body repeats the key {key!r}; send each key once")
        if self.name is not None:
            raise InvalidRequest.at("/z", BOTH_NAMES)
        self.name = key
        try:
            at = skip_space(self._body, begin + 1)
            if self._body[at : at + 1] not in {b"[", b"]"}:
                raise (
                    WrongList("/0", NOT_A_ROW)
                    if at < len(self._body) and self._body[at] in NOT_LISTS
                    else malformed(at)
                )
            found = read_list(self._body, begin, self._limits.max_rows)
        except WrongList as error:
            raise _with_parameters(InvalidRequest.at(f"/{key}{error.pointer}", error.detail), before) from None
        except TooManyValues:
            fact = f"{key} has more than {self._limits.max_rows} rows, which is the limit"
            raise _with_parameters(
                TooLarge.at(f"/{key}", f"{fact}: send the rows in several requests"), before
            ) from None
        return found


def _decode_long(body: bytes, limits: Limits) -> Payload:
    reader = _LongBody(body, limits)
    short = without_lists(body, frozenset(ROWS_NAMES), 1, reader.read)
    document = parse_object(short.text)
    names = unique_keys(document)
    if all(name in names for name in ROWS_NAMES):
        raise InvalidRequest.at("/z", BOTH_NAMES)
    parameters = {key: to_python(document[key]) for key in names if key not in ROWS_NAMES}
    for name in names:
        if name in ROWS_NAMES and not short.lists:
            raise InvalidRequest.at(f"/{name}", NOT_A_LIST.format(name=name))
    if not short.lists:
        return Payload(parameters)
    ((name, found),) = short.lists
    return Payload(parameters, found.floats.reshape(-1, found.width) if found.width else EMPTY, name)


def _with_parameters(error: RequestError, before: bytes) -> RequestError:
    # The parameters that stand before the rows: the access line takes the model from them.
    with contextlib.suppress(RequestError, orjson.JSONDecodeError):
        found: object = orjson.loads(before.rpartition(b",")[0] + b"}")
        if isinstance(found, dict):
            error.parameters = found
    return error


def _decode_rows(name: str, value: object, body: bytes) -> Rows:
    if not isinstance(value, simdjson.Array):
        raise InvalidRequest.at(f"/{name}", NOT_A_LIST.format(name=name))
    count = len(value)
    try:
        # The buffer has all numbers in one sequence, without the ends of the rows.
        flat = np.frombuffer(value.as_buffer(of_type="d"), dtype=np.float64)
    except TypeError:
        return _decode_row_by_row(name, value.as_list())
    width = flat.size // count if count else 0
    if width and _is_table(body, count, width):
        return flat.reshape(count, width)
    return _decode_row_by_row(name, value.as_list())


def _is_table(body: bytes, count: int, width: int) -> bool:
    """True if the only nested list of a valid document is `count` rows of `width` numbers.

    Without its numbers and white space, such a list is a fixed pattern of brackets and commas. The body must contain
    no other bracket: then the pattern is the list itself and not the text of a string.
    """
    skeleton = body.translate(None, TABLE_NUMBER_BYTES)
    row = b"[" + b"," * (width - 1) + b"],"
    pattern = b"[" + (row * count)[:-1] + b"]"
    return skeleton.count(b"[") == count + 1 and skeleton.startswith(pattern, skeleton.find(b"["))


def _decode_row_by_row(name: str, rows: Sequence[object]) -> Rows:
    table: list[list[float]] = []
    for index, row in enumerate(rows):
        if not isinstance(row, list) or not row:
            raise InvalidRequest.at(f"/{name}/{index}", "this row is not a list of one or more numbers")
        if table and len(row) != len(table[0]):
            detail = f"this row has {len(row)} numbers; the rows before it have {len(table[0])}"
            raise InvalidRequest.at(f"/{name}/{index}", detail)
        table.append([_to_float(value, f"/{name}/{index}/{column}") for column, value in enumerate(row)])
    return np.array(table, dtype=np.float64).reshape(len(table), len(table[0]) if table else 0)


def _to_float(value: object, pointer: str) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise InvalidRequest.at(pointer, WRONG_CELL)


def _described(rows: Sequence[InvalidRow]) -> list[dict[str, object]]:
    return [{"row": row.row, "reason": row.reason} for row in rows]


def _long_answer(head: Mapping[str, object], answer: Answer) -> Iterator[bytes]:
    # The same text as that of a short answer.
    yield orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)[:-1]
    invalid = np.array([row.row for row in answer.invalid_rows], np.int64)
    for name, tensor in answer.tensors.items():
        yield f',"{name}":['.encode()
        if not len(invalid):
            yield from number_texts(tensor)
        else:
            for at in range(0, len(tensor), BLOCK_ROWS):
                block = tensor[at : at + BLOCK_ROWS]
                begin, end = np.searchsorted(invalid, (at, at + len(block)))
                rows = _rows_with_nulls(block, (invalid[begin:end] - at).tolist())
                yield (b"," if at else b"") + orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        yield b"]"
    if answer.invalid_rows:
        yield b',"invalid_rows":['
        for at in range(0, len(answer.invalid_rows), BLOCK_ROWS):
            yield (b"," if at else b"") + orjson.dumps(_described(answer.invalid_rows[at : at + BLOCK_ROWS]))[1:-1]
        yield b"]"
    yield b"}"


def _rows_with_nulls(tensor: Tensor, invalid: list[int]) -> list[object]:
    # orjson writes Python floats as float64. NumPy rows keep the shortest text of float32.
    rows: list[object] = [orjson.Fragment(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)) for row in tensor]
    for index in invalid:
        rows[index] = None
    return rows
