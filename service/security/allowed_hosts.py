"""Checks the Host header, so that a web page cannot reach the service under a name of its own (DNS rebinding).

In that attack the name of a page, such as evil.example, points to this machine a moment later. For the browser the
service is then part of that page. The Host header shows the name, and a page cannot change it.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from ..errors import HostNotAllowed

ANY: Final = "*"
LOCAL: Final = "local"
# Top-level names that public DNS never holds (RFC 6761, and .internal), so nobody can point one to this machine.
RESERVED: Final = frozenset({"localhost", "test", "internal"})
NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
PORT: Final = re.compile(r":\d{0,5}$")
MAX_REMEMBERED: Final = 256
MAX_SHOWN: Final = 100


class AllowedHosts:
    """The names under which clients may call the service. Every IP address is allowed: it cannot be a rebound name.

    Args:
        patterns: a name, `*.name` for every name below it, `local` for the names that only this machine or its network
            can give (localhost, names without a dot, and names that public DNS never holds), or `*` for every name.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._allows_all = ANY in patterns
        self._allows_local = LOCAL in patterns
        names = [pattern.lower() for pattern in patterns]
        self._names = frozenset(names)
        self._endings = tuple(name[1:] for name in names if name.startswith("*."))
        # The values of Host that were allowed before; clients send very few.
        self._remembered: set[bytes] = set()

    @property
    def allows_all(self) -> bool:
        """True if no request needs a check."""
        return self._allows_all

    def check(self, host: bytes) -> None:
        """Check the value of a Host header.

        Raises:
            HostNotAllowed: the name is not allowed.
        """
        if host in self._remembered or self._allows_all:
            return
        name = PORT.sub("", host.decode("latin-1").strip().lower()).removesuffix(".")
        if not (_is_address(name) or (NAME.fullmatch(name) and self._allows(name))):
            raise HostNotAllowed(
                f"Host is {ascii(name)[:MAX_SHOWN]}, and this service does not answer under that name: use its "
                "address, or add the name to DIFFEO_ALLOWED_HOSTS"
            )
        if len(self._remembered) < MAX_REMEMBERED:
            self._remembered.add(host)

    def _allows(self, name: str) -> bool:
        is_local = "." not in name or name.rpartition(".")[2] in RESERVED
        return (is_local and self._allows_local) or name in self._names or name.endswith(self._endings)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True
