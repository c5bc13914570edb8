"""Checks every request before it reaches its endpoint: Host, API key and scope, and whether another site sent it."""

from collections.abc import Callable
from typing import Final

from starlette.types import Scope

from ..errors import Forbidden, Unauthorized
from ..observability.shared_counters import SharedCounters
from ..settings import Settings
from . import cross_site
from .access_policy import SAFE_METHODS, AccessPolicy
from .allowed_hosts import AllowedHosts
from .client_address import ClientAddresses
from .key_store import KeyStore
from .key_usage import NO_STATE, USAGE, KeyUsage, KeyUsages

Header = tuple[bytes, bytes]
# Makes the headers that a response gets when it starts.
ResponseHeaders = Callable[[], list[Header]]
Headers = dict[bytes, bytes]

HEADERS: Final = "diffeo.headers"  # an entry of the scope: its headers as a dict
CLIENT: Final = "client"  # the entry in the state of a request: the name of its key, else its address
# A browser asks with OPTIONS before it sends a request of another site; the question itself changes nothing.
UNCHECKED_METHODS: Final = SAFE_METHODS | {"OPTIONS"}
BEARER: Final = b"bearer"


class AccessControl:
    """The checks of one service. A check that the settings do not ask for costs nothing.

    Args:
        settings: allowed hosts, trusted proxies, and the paths that need no key.
        keys: the API keys; None if every client may call every path.
        shared: count the requests of each key.
    """

    def __init__(self, settings: Settings, keys: KeyStore | None, shared: SharedCounters) -> None:
        hosts = AllowedHosts(settings.allowed_hosts)
        self._hosts = None if hosts.allows_all else hosts
        self._addresses = ClientAddresses(settings.trusted_proxies) if settings.trusted_proxies else None
        self._keys = keys
        self._policy = AccessPolicy(settings.open_without_key)
        self._usages = KeyUsages(shared)
        for key in () if keys is None else keys.keys:
            # Prometheus' rate() misses a counter that first appears with the value 1, so zeros are exported first.
            self._usages.of(key)

    def check(self, scope: Scope) -> ResponseHeaders | None:
        """Check a request, and name its client in its state.

        Returns:
            A function that makes headers of its response; None if there are none.

        Raises:
            HostNotAllowed: the service does not answer under this name.
            Unauthorized: the path needs a key, and the request has none that is valid.
            Forbidden: the scope of the key does not allow the path.
            UnsupportedFormat: the media type is one that pages of other sites can send.
            CrossSite: a page of another site sent the request.
        """
        headers: Headers = dict(scope["headers"])
        # The readers of headers that come later use this dict too: to make it costs more than all checks.
        scope[HEADERS] = headers
        if self._hosts is not None and (host := headers.get(b"host")) is not None:
            self._hosts.check(host)
        if self._addresses is not None:
            scope.setdefault("state", {})[CLIENT] = self._addresses.of(scope)
        response_headers = None if self._keys is None else self._check_key(self._keys, scope, headers)
        if scope["method"] not in UNCHECKED_METHODS:
            cross_site.check(headers)
        return response_headers

    def count_rejected(self, scope: Scope, problem: str) -> None:
        """Count a request that `check` turned away, under its key if it has a valid one."""
        usage: KeyUsage | None = scope.get("state", NO_STATE).get(USAGE)
        counters = self._usages.without_key if usage is None else usage.counters
        counters.count_rejected(problem)

    def _check_key(self, keys: KeyStore, scope: Scope, headers: Headers) -> ResponseHeaders | None:
        required = self._policy.required_scope(scope["method"], scope["path"])
        if required is None:
            return None
        key = keys.find(_presented(headers))
        if key is None:
            raise Unauthorized("this needs an API key: send Authorization: Bearer KEY, or X-API-Key: KEY")
        usage = self._usages.of(key)
        state = scope.setdefault("state", {})
        state[CLIENT], state[USAGE] = key.name, usage
        if not key.scope.allows(required):
            raise Forbidden(f"this needs an API key of the scope {required}; the key {key.name} has {key.scope}")
        usage.counters.count_request()
        return None if usage.quota is None else usage.quota.headers


def _presented(headers: Headers) -> bytes:
    """The key that a request presents; empty if it has none."""
    if (key := headers.get(b"x-api-key")) is not None:
        return key.strip()
    kind, _, key = headers.get(b"authorization", b"").partition(b" ")
    return key.strip() if kind.lower() == BEARER else b""
