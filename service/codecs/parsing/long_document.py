"""Takes the long lists of numbers out of a JSON document, and leaves a short document for the strict parser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import orjson

from ...errors import InvalidRequest, MalformedBody
from .long_list import LongList, malformed
from .strict_json import check_no_byte_order_mark

# A longer document is read in pieces; up to this size a whole document takes few ms and little memory.
LONG_BYTES: Final = 512 * 1024
# The most bytes of a document beside its lists of numbers and its white space.
MAX_OTHER_BYTES: Final = 64 * 1024

TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[ \t\r\n]++|[{}\[\],:]|[^"{}\[\],: \t\r\n]++', re.DOTALL)
WHITE_SPACE: Final = frozenset(b" \t\r\n")


class ReadList(Protocol):
    """Reads the list of a key; called once for each list, in the order of the document."""

    def __call__(self, key: str, begin: int, before: bytes, /) -> LongList:
        """Read a list.

        Args:
            key: the key of the list.
            begin: position of its opening bracket.
            before: the document before it, without the lists.
        """
        ...


@dataclass(frozen=True, slots=True)
class ShortDocument:
    """A document without its lists.

    Attributes:
        text: the document; the list number i is written as [i].
        lists: the lists, each with its key.
    """

    text: bytes
    lists: tuple[tuple[str, LongList], ...]


def without_lists(body: bytes, keys: frozenset[str], depth: int, read: ReadList) -> ShortDocument:
    """Take every list out of a document that is the value of one of these keys at this depth.

    Args:
        body: the document, which must be an object.
        keys: the keys of the lists.
        depth: how many brackets and braces are open where such a key stands.
        read: reads a list.

    Raises:
        MalformedBody: the body does not begin like an object, or a string in it does not end.
        InvalidRequest: the rest of the document has more than MAX_OTHER_BYTES.
    """
    check_no_byte_order_mark(body)
    scan = _Scan(body)
    text = bytearray()
    lists: list[tuple[str, LongList]] = []
    name: bytes | None = None
    for token in scan.tokens():
        if not text and token != b"{":
            raise MalformedBody("the body is not a JSON object")
        key = _key(name) if token == b"[" and name is not None and scan.depth == depth + 1 else None
        if key is not None and key in keys:
            found = read(key, scan.at - 1, bytes(text))
            text += b"[%d]" % len(lists)
            lists.append((key, found))
            scan.skip_to(found.end)
            name = None
            continue
        text += token
        if len(text) > MAX_OTHER_BYTES:
            raise InvalidRequest.at(
                "", f"the body has more than {MAX_OTHER_BYTES} bytes beside its rows; send only rows and parameters"
            )
        if token != b":":
            name = token if token.startswith(b'"') else None
    return ShortDocument(bytes(text), tuple(lists))


class _Scan:
    # The tokens of a document without its white space, and how many brackets and braces are open after each.

    def __init__(self, body: bytes) -> None:
        self.at = 0
        self.depth = 0
        self._body = body

    def tokens(self) -> Iterator[bytes]:
        while self.at < len(self._body):
            found = TOKEN.match(self._body, self.at, self.at + 2 * MAX_OTHER_BYTES)
            if found is None:
                if len(self._body) - self.at > 2 * MAX_OTHER_BYTES:
                    raise InvalidRequest.at("", f"a string in the body has more than {MAX_OTHER_BYTES} bytes")
                raise malformed(self.at)
            self.at = found.end()
            token = found[0]
            if token[0] in WHITE_SPACE:
                continue
            if token in {b"{", b"["}:
                self.depth += 1
            elif token in {b"}", b"]"}:
                self.depth -= 1
            yield token

    def skip_to(self, end: int) -> None:
        self.at = end
        self.depth -= 1


def _key(token: bytes) -> str | None:
    try:
        key: object = orjson.loads(token)
    except orjson.JSONDecodeError:
        return None
    return key if isinstance(key, str) else None
