"""Strict JSON for the formats that use it: no byte order mark, no NaN, no repeated key; a limit on keys."""

import re
from codecs import BOM_UTF8
from typing import Final

import simdjson

from ...errors import InvalidRequest, MalformedBody

# Several times the keys of any request. Each key costs one walk over the object.
MAX_KEYS: Final = 64
MAX_KEY_SHOWN: Final = 64
# The bytes of numbers and of the white space around them within a line.
NUMBER_BYTES: Final = b"0123456789+-.eE \t\r"
# simdjson reports syntax as ValueError and numbers beyond 64 bits as RuntimeError, each as "CODE: sentence".
PARSE_ERRORS: Final = (ValueError, RuntimeError)
# An integer that may not fit into 64 bits; orjson and simdjson treat those differently.
LONG_INTEGER: Final = re.compile(rb"[0-9]{19}")
# simdjson counts the elements of a list in 24 bits, and writes past its memory for a longer one. An element takes at
# least two bytes, so no text up to this size holds as many.
MAX_TEXT_BYTES: Final = 2**24
WRONG_CELL: Final = "the value is not a number; send a number, or null for a missing value"


def check_no_byte_order_mark(body: bytes) -> None:
    """Raise MalformedBody if the body begins with the byte order mark of UTF-8."""
    if body.startswith(BOM_UTF8):
        raise MalformedBody("the body begins with a byte order mark; send UTF-8 without one")


def parse_value(parser: simdjson.Parser, text: bytes, where: str) -> object:
    """The JSON value in the text; arrays and objects are still simdjson's own.

    Args:
        parser: is used for one text at a time.
        text: one JSON value.
        where: names the text in an error sentence, such as "the body" or "line 3".

    Raises:
        MalformedBody: the text is not JSON, or a number in it does not fit into 64 bits.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise MalformedBody(f"{where} has more than {MAX_TEXT_BYTES} bytes in one value; send shorter values")
    try:
        return parser.parse(text)
    except PARSE_ERRORS as error:
        raise MalformedBody(f"{where} is not JSON: {reason(error)}") from None


def reason(error: Exception) -> str:
    """The sentence of one of simdjson's PARSE_ERRORS."""
    # Some texts of simdjson go on with "This is a fatal and unrecoverable error", which is not true of the service.
    return str(error).rpartition(": ")[2].partition("  This is")[0].strip()


def parse_object(body: bytes) -> simdjson.Object:
    """The JSON object in the body.

    Raises:
        MalformedBody: the body is not JSON, or not an object.
    """
    check_no_byte_order_mark(body)
    document = parse_value(simdjson.Parser(), body, "the body")
    if not isinstance(document, simdjson.Object):
        raise MalformedBody("the body is not a JSON object")
    return document


def unique_keys(document: simdjson.Object) -> list[str]:
    """The keys of an object in their order.

    Raises:
        InvalidRequest: there are more than MAX_KEYS.
        MalformedBody: a key is repeated or contains a NUL.
    """
    keys = list(document.keys())
    if len(keys) > MAX_KEYS:
        raise InvalidRequest.at("", f"the body has {len(keys)} keys; send at most {MAX_KEYS}")
    if len(set(keys)) != len(keys):
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise MalformedBody(f"the body repeats the key {ascii(repeated)[:MAX_KEY_SHOWN]}; send each key once")
    # simdjson looks a key up as a C string: a key that contains a NUL would find the value of another key.
    if any("\0" in key for key in keys):
        raise MalformedBody("a key of the body contains a NUL character")
    return keys


def to_python(value: object) -> object:
    """The value with simdjson's arrays and objects converted to lists and dictionaries."""
    if isinstance(value, simdjson.Array):
        return value.as_list()
    return value.as_dict() if isinstance(value, simdjson.Object) else value
