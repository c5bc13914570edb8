"""Bytes on the wire: which codec reads a request, which writes the answer, and how much body is read at most."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

from service.codecs import CODECS
from service.codecs.codec import Codec
from service.errors import InvalidRequest, MalformedBody, NotAcceptable, TooLarge, UnsupportedFormat

BY_MEDIA_TYPE: Final[Mapping[str, Codec]] = {codec.media_type: codec for codec in CODECS}
BY_NAME: Final[Mapping[str, Codec]] = {codec.name: codec for codec in CODECS}
QUERY_ONLY: Final = BY_NAME["npy"]
MAX_DIGITS: Final = 18
WILDCARDS: Final = frozenset({"*/*", "application/*"})


async def read_body(http: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes.

    Raises:
        TooLarge: the body is longer, told before it is read where Content-Length tells.
        UnsupportedFormat: the body is compressed.
    """
    if http.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedFormat("send the body uncompressed: Content-Encoding must be identity")
    announced = http.headers.get("content-length", "0").lstrip("0")
    # Compared by length first: a number of any length is a header, and int() refuses the longest.
    if announced.isascii() and announced.isdigit() and (len(announced) > MAX_DIGITS or int(announced) > limit):
        raise _too_large(limit)
    body = bytearray()
    async for part in http.stream():
        body += part
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def reader(http: Request, body: bytes) -> Codec:
    """The codec for the request's body; without a body, parameters come from the query string.

    Raises:
        UnsupportedFormat: no codec reads this Content-Type.
    """
    media_type = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type and not body:
        return QUERY_ONLY
    if media_type not in BY_MEDIA_TYPE:
        known = ", ".join(BY_MEDIA_TYPE)
        raise UnsupportedFormat(
            f"send a Content-Type that is read here: {known} (curl: --json, or -H 'Content-Type: ...')"
        )
    return BY_MEDIA_TYPE[media_type]


def writer(http: Request, read: Codec) -> Codec:
    """The codec for the answer: `?format=`, else the best of `Accept`, else the request's own.

    Raises:
        InvalidRequest: an unknown `?format=`.
        NotAcceptable: no codec writes what Accept lists.
    """
    wanted = http.query_params.get("format")
    if wanted is not None:
        if wanted not in BY_NAME:
            raise InvalidRequest.at("/format", f"format must be one of {', '.join(BY_NAME)}")
        return BY_NAME[wanted]
    same = BY_NAME["json"] if read is QUERY_ONLY and "content-type" not in http.headers else read
    for media_type in _by_preference(http.headers.get("accept", "*/*")):
        if media_type in WILDCARDS:
            return same
        if media_type in BY_MEDIA_TYPE:
            return BY_MEDIA_TYPE[media_type]
    raise NotAcceptable(f"Accept lists nothing that is written here: {', '.join(BY_MEDIA_TYPE)}")


def query(http: Request) -> dict[str, str]:
    """The query parameters, `format` aside.

    Raises:
        MalformedBody: a parameter is repeated.
    """
    pairs = http.query_params.multi_items()
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise MalformedBody("the query string repeats a parameter")
    return {name: value for name, value in pairs if name != "format"}


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is above the limit of {limit} bytes; send it in parts")


def _by_preference(accept: str) -> list[str]:
    ranked: list[tuple[float, str]] = []
    for item in accept.split(",")[:16]:
        media_type, *parameters = [part.strip().lower() for part in item.split(";")]
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        if quality not in {"0", "0.0", "0.00", "0.000"}:
            ranked.append((-_quality(quality), media_type))
    return [media_type for _, media_type in sorted(ranked, key=lambda pair: pair[0])]


def _quality(text: str) -> float:
    try:
        return float(text[:5])
    except ValueError:
        return 0.0
