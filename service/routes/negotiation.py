"""Bytes on the wire: which codec reads a request, and which writes the answer."""

from collections.abc import Mapping
from typing import Final

from ..codecs import CODECS
from ..codecs.codec import Codec
from ..errors import InvalidRequest, NotAcceptable, UnsupportedFormat
from .request_context import RequestContext

BY_MEDIA_TYPE: Final[Mapping[str, Codec]] = {codec.media_type: codec for codec in CODECS}
BY_NAME: Final[Mapping[str, Codec]] = {codec.name: codec for codec in CODECS}
QUERY_ONLY: Final = BY_NAME["npy"]
ANY: Final = "*/*"
WILDCARDS: Final = frozenset({ANY, "application/*"})


def reader(http: RequestContext, body: bytes) -> Codec:
    """The codec for the request's body; without a body, parameters come from the query string.

    Raises:
        UnsupportedFormat: no codec reads this Content-Type.
    """
    media_type = http.header(b"content-type")
    codec = BY_MEDIA_TYPE.get(media_type) or BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip())
    if codec is not None:
        return codec
    if not media_type and not body:
        return QUERY_ONLY
    known = ", ".join(BY_MEDIA_TYPE)
    raise UnsupportedFormat(f"send a Content-Type that is read here: {known} (curl: --json, or -H 'Content-Type: ...')")


def writer(http: RequestContext, wanted: str | None, read: Codec) -> Codec:
    """The codec for the answer: `?format=`, else the best of `Accept`, else the request's own.

    Raises:
        InvalidRequest: an unknown `?format=`.
        NotAcceptable: no codec writes what Accept lists.
    """
    if wanted is not None:
        if wanted not in BY_NAME:
            raise InvalidRequest.at("/format", f"format must be one of {', '.join(BY_NAME)}")
        return BY_NAME[wanted]
    same = BY_NAME["json"] if read is QUERY_ONLY and b"content-type" not in http.headers else read
    accept = http.header(b"accept", ANY)
    if accept == ANY:
        return same
    for media_type in _by_preference(accept):
        if media_type in WILDCARDS:
            return same
        if media_type in BY_MEDIA_TYPE:
            return BY_MEDIA_TYPE[media_type]
    raise NotAcceptable(f"Accept lists nothing that is written here: {', '.join(BY_MEDIA_TYPE)}")


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
