"""Paths and names: traversal in every spelling, NUL, Unicode, long names, and methods that a path does not take."""

from collections.abc import Iterator
from typing import Final

from tests.reliability.corpus.case import Case, Ending, get, head, named, post

TOPIC: Final = "paths"
NOT_SERVED: Final = (400, 404, 405, 414, 422)
NAMES: Final = (
    "..", "%2e%2e", "%2E%2E", ".%2e", "%252e%252e", "%c0%ae%c0%ae", "%uff0e%uff0e", "\uff0e\uff0e", "..%2f", "..%5c", "..\\",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%00", "affine2d%00", "affine2d%00.png", "affine2d%20", "%20affine2d", "affine2d.",
    "affine2d/", "affine2d%2f", "affine2d/../affine2d", "./affine2d", "AFFINE2D", "affine2D", "affine2d;a=b", "affine2d#a",
    "affine2d%23a", "affine2d%3fa", "%2fetc%2fpasswd", "file:%2f%2f%2fetc%2fpasswd", "http:%2f%2f127.0.0.1", "\\\\host\\share",
    "CON", "nul", ".git", ".env", "~root", "$HOME", "${jndi:ldap:}", "{{7*7}}", "%7b%7b7*7%7d%7d", "%3Cscript%3E", "'%20or%201=1",
    "-rf", "--help", "*", "%2a", "?", "%3f", "a" * 64, "a" * 65, "a" * 4000, "\u202eaffine2d", "affine2d\u200b", "%00", "%0a",
    "%0d%0a", "%1b[31m", "%7f", "%ff", "%ed%a0%80", "__init__", "__pycache__", "constructor", "null", "undefined", "0", "-1",
)  # fmt: skip
PREFIXES: Final = (
    "/models/{}", "/models/{}/versions/1", "/models/affine2d/versions/{}", "/models/affine2d/versions/1/files/{}",
    "/v2/models/{}", "/v2/models/{}/versions/1/ready", "/v2/models/affine2d/versions/{}",
)  # fmt: skip
VERSIONS: Final = (
    "0", "-1", "1.0", "01", "+1", "1e0", "1 ", "%31", "٣", "9" * 19, "9" * 20, "9" * 4000, "0x1", "1/", "1/..", "latest", "1;2",
    "\uff12", "1%00", str(2**31), str(2**63), str(2**64 + 1),
)  # fmt: skip
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
EVERY_PATH: Final = (
    "/log_prob", "/sample", "/transform", "/models", "/models/affine2d", "/models/affine2d/versions/1/files/manifest.json",
    "/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/v2", "/v2/models/affine2d/infer", "/v2/repository/index",
    "/v2/repository/models/affine2d/load", "/v2/repository/models/affine2d/unload", "/nothing", "/static-offline-docs/",
)  # fmt: skip


def cases() -> Iterator[Case]:
    """All cases of this topic."""
    for prefix in PREFIXES:
        for name in NAMES:
            target = prefix.format(name).encode().decode("latin-1")
            yield Case(
                TOPIC, f"{prefix} with {name[:40]!r} ({len(name)})", (get(target),), Ending.HALF_CLOSE, _statuses(name)
            )
    for version in VERSIONS:
        for prefix in ("/models/affine2d/versions/{}", "/v2/models/affine2d/versions/{}/infer"):
            target = prefix.format(version).encode().decode("latin-1")
            data = get(target) if "infer" not in prefix else post(target, b"{}")
            yield Case(TOPIC, f"{prefix} with version {version[:30]!r} ({len(version)})", (data,), Ending.HALF_CLOSE)
    for name in NAMES:
        body = b'{"x":[[1,2]],"model":"%b"}' % name.replace("\\", "\\\\").encode()
        yield from named(
            TOPIC, [(f"model {name[:40]!r} ({len(name)}) in the body", post("/log_prob", body))], NOT_SERVED
        )
    for path in EVERY_PATH:
        for method in METHODS:
            data = head(method, path, [("Content-Length", "0")])
            yield Case(TOPIC, f"{method} {path}", (data,), no_body=method == "HEAD")


def _statuses(name: str) -> frozenset[int]:
    # `/models/affine2d` itself, reached by a normal spelling of its name; the list that `?` leaves; and paths that end in
    # a slash, which redirect to the same path without it.
    plain = {"..%2f", "affine2d%2f", "affine2d/", "affine2d#a", "?", "..", "affine2d/../affine2d", "./affine2d"}
    return frozenset() if name in plain else frozenset(NOT_SERVED)
