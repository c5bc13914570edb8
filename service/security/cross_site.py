"""Refuses requests that a page of another site can make a browser send without asking the service first.

Before a page of another site sends a body such as application/json, its browser asks the service (a CORS preflight),
and the service does not agree. Without asking, a browser sends the three media types of HTML forms, or none at all.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from ..errors import CrossSite, UnsupportedFormat

FORM_TYPES: Final = frozenset({b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"})
# Compared first, because nearly every request has one of them.
FREQUENT_TYPES: Final = frozenset({b"application/json", b"application/x-npy", b"application/octet-stream"})
SAME_SITE: Final = frozenset({b"same-origin", b"none"})  # none: the user, not a page, caused the request


def check(headers: Mapping[bytes, bytes]) -> None:
    """Check the headers of a request whose method is not GET, HEAD or OPTIONS.

    Raises:
        UnsupportedFormat: the media type is one that HTML forms can send.
        CrossSite: the request has no media type, and its browser says that a page of another site sent it.
    """
    content_type = headers.get(b"content-type", b"")
    if content_type in FREQUENT_TYPES:
        return
    media_type = content_type.partition(b";")[0].strip().lower()
    if media_type in FORM_TYPES:
        raise UnsupportedFormat(
            f"the Content-Type {media_type.decode()} is not accepted, because pages of other sites can send it; "
            "send application/json or another format of the service (curl: --json, or -H 'Content-Type: ...')"
        )
    if not media_type and _is_cross_site(headers):
        raise CrossSite("a page of another site sent this request; name the format of the body in Content-Type")


def _is_cross_site(headers: Mapping[bytes, bytes]) -> bool:
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site.lower() not in SAME_SITE
    origin = headers.get(b"origin")
    # Only browsers send Origin.
    return origin is not None and _authority(origin) != headers.get(b"host", b"").decode("latin-1").lower()


def _authority(origin: bytes) -> str:
    try:
        return urlsplit(origin.decode("latin-1").lower()).netloc
    except ValueError:
        return ""
