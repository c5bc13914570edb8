"""Content negotiation: chooses the codec that reads a request, and the codec that writes its response."""

from collections.abc import Mapping
from typing import Final

from ..codecs import CODECS
from ..codecs.codec import Codec
from ..errors import InvalidRequest, NotAcceptable, UnsupportedFormat
from .request_context import RequestContext

BY_MEDIA_TYPE: Final[Mapping[str, Codec]] = {codec.media_type: codec for codec in CODECS}
BY_NAME: Final[Mapping[str, Codec]] = {codec.name: codec for codec in CODECS}
JSON: Final = BY_NAME["json"]
QUERY_ONLY: Final = BY_NAME["npy"]  # takes all parameters from the query string
ANY: Final = "*/*"
WILDCARDS: Final = frozenset({ANY, "application/*"})
MAX_ACCEPTED: Final = 16  # entries of an Accept header that are read
MAX_QUALITY_CHARACTERS: Final = 5  # "0.123", the longest that HTTP allows


def request_codec(request: RequestContext) -> Codec:
    """The codec of the request's Content-Type. A request without a body takes parameters from the query string.

    Raises:
        UnsupportedFormat: no codec reads this Content-Type, or the headers announce a body and no Content-Type.
    """
    media_type = request.header(b"content-type")
    codec = BY_MEDIA_TYPE.get(media_type) or BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip())
    if codec is not None:
        return codec
    if not media_type and request.headers.get(b"content-length", b"0").strip(b"0") == b"":
        return QUERY_ONLY
    raise unsupported_format()


def unsupported_format() -> UnsupportedFormat:
    """The error of a body without a Content-Type that a codec reads."""
    known = ", ".join(BY_MEDIA_TYPE)
    return UnsupportedFormat(f"the Content-Type must be one of {known} (curl: --json, or -H 'Content-Type: ...')")


def response_codec(request: RequestContext, name: str | None, of_request: Codec) -> Codec:
    """The codec of the response: that of `?format=`, else the best of `Accept`, else that of the request.

    Args:
        request: its Accept header is read.
        name: the value of `?format=`; None if the query has none.
        of_request: the codec that reads the request.

    Raises:
        InvalidRequest: no codec has this name.
        NotAcceptable: no codec writes a format that Accept lists.
    """
    if name is not None:
        if name not in BY_NAME:
            raise InvalidRequest.at("/format", f"format must be one of {', '.join(BY_NAME)}")
        return BY_NAME[name]
    default = BY_NAME["json"] if of_request is QUERY_ONLY and b"content-type" not in request.headers else of_request
    accept = request.header(b"accept", ANY)
    if accept == ANY:
        return default
    for media_type in _by_preference(accept):
        if media_type in WILDCARDS:
            return default
        if media_type in BY_MEDIA_TYPE:
            return BY_MEDIA_TYPE[media_type]
    raise NotAcceptable(f"Accept must list one of {', '.join(BY_MEDIA_TYPE)}, or {ANY}")


def _by_preference(accept: str) -> list[str]:
    ranked: list[tuple[float, str]] = []
    for item in accept.split(",")[:MAX_ACCEPTED]:
        media_type, *parameters = [part.strip().lower() for part in item.split(";")]
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        if quality not in {"0", "0.0", "0.00", "0.000"}:
            ranked.append((-_quality(quality), media_type))
    return [media_type for _, media_type in sorted(ranked, key=lambda pair: pair[0])]


def _quality(text: str) -> float:
    try:
        return float(text[:MAX_QUALITY_CHARACTERS])
    except ValueError:
        return 0.0
