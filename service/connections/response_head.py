"""The head of a response as bytes: status line, headers, and how the body is framed."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

Header = tuple[bytes, bytes]

# Statuses whose responses have no body.
BODILESS: Final = frozenset({204, 304})
CHUNKED: Final = b"transfer-encoding: chunked\r\n"
CLOSE: Final = b"connection: close\r\n"
# Control characters. The only ones in a head are those that end its lines.
CONTROLS: Final = bytes([*range(9), *range(10, 32), 127])
LINE_END: Final = 2  # bytes


class ResponseHead(NamedTuple):
    """A head and what it says about its body.

    Attributes:
        content: the bytes of the head.
        length: the value of Content-Length, 0 for a response without a body; None if the body is sent in chunks.
        closes: True if the connection is closed after the response.
    """

    content: bytes
    length: int | None
    closes: bool


def response_head(status: int, headers: Iterable[Header], *, keep_alive: bool, has_body: bool) -> ResponseHead:
    r"""Write a head.

    Args:
        status: the HTTP status.
        headers: the headers; their names are in lower case.
        keep_alive: whether the connection stays open, if no header closes it.
        has_body: False if the response to this request has no body, as to HEAD.

    Raises:
        ValueError: a header holds a control character, which could forge another header.

    Example:
        >>> response_head(204, [(b"etag", b"1")], keep_alive=True, has_body=True)
        ResponseHead(content=b'HTTP/1.1 204 No Content\r\netag: 1\r\n\r\n', length=0, closes=False)
    """
    lines = [STATUS_LINE[status]]
    length: int | None = None
    closes = not keep_alive
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
        elif name == b"connection" and b"close" in value.lower():
            closes = True
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    if closes:
        lines.append(CLOSE)
    if length is None:
        if has_body and status not in BODILESS:
            lines.append(CHUNKED)
        else:
            length = 0
    content = b"".join(lines)
    if len(content) - len(content.translate(None, CONTROLS)) != LINE_END * len(lines):
        raise ValueError("a header of the response holds a control character")
    return ResponseHead(content + b"\r\n", length, closes)
