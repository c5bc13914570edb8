"""Which scope a path needs. A path that is not listed here needs an admin key, so a new path is closed until listed."""

import re
from collections.abc import Collection
from typing import Final

from ..settings import KeylessPaths
from .api_keys import KeyScope

SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
# Orchestrators and load balancers have no key.
HEALTH_PATHS: Final = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
# A read key gets the 405 of these paths too.
OPERATIONS: Final = frozenset({"/sample", "/log_prob", "/transform"})
DESCRIPTIONS: Final = re.compile(
    r"/models(/[^/]+(/versions/[^/]+)?)?"
    r"|/v2(/models(/stats|/[^/]+(/versions/[^/]+)?(/config|/ready|/stats)?)?)?"
)
INFERENCE: Final = re.compile(r"/v2/models/[^/]+(/versions/[^/]+)?/infer|/v2/repository/index")
KEYLESS: Final[dict[KeylessPaths, re.Pattern[str]]] = {
    "metrics": re.compile(r"/metrics"),
    "docs": re.compile(r"/docs(/oauth2-redirect)?|/openapi\.json|/static-offline-docs/[^/]+"),
    "downloads": re.compile(r"/models/[^/]+/versions/[^/]+/files/[^/]+"),
}


class AccessPolicy:
    """The scope that each request needs.

    Args:
        keyless: the groups of paths that need no key.
    """

    def __init__(self, keyless: Collection[KeylessPaths]) -> None:
        self._keyless = [KEYLESS[name] for name in keyless]

    def required_scope(self, method: str, path: str) -> KeyScope | None:
        """The scope that a request needs; None if it needs no key.

        Args:
            method: the HTTP method.
            path: the path by which the dispatcher finds the endpoint, percent-decoded. Nothing else in a request, such
                as Host or a second spelling of the path, has an influence.
        """
        if path in OPERATIONS:
            return KeyScope.READ
        if path in HEALTH_PATHS:
            return None
        is_safe = method in SAFE_METHODS
        if is_safe and any(pattern.fullmatch(path) for pattern in self._keyless):
            return None
        # The service redirects a path with a slash at its end, so it needs the same scope.
        found = path.rstrip("/")
        if found in OPERATIONS or (is_safe and DESCRIPTIONS.fullmatch(found)) or INFERENCE.fullmatch(found):
            return KeyScope.READ
        return KeyScope.ADMIN
