"""The address of a client: that of its connection, or the one that a trusted proxy names."""

import ipaddress
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORWARDED_FOR: Final = b"x-forwarded-for"
FORWARDED: Final = b"forwarded"
FOR: Final = re.compile(r'(?:^|[;,])\s*for\s*=\s*(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)
WITH_PORT: Final = re.compile(r"\[([^\]]*)\](?::\d+)?|([0-9.]+):\d+")
MAX_HOPS: Final = 32


class ClientAddresses:
    """Finds the address of a client behind proxies.

    Each proxy adds the address that it saw at the right end of X-Forwarded-For (or of Forwarded, where the first is
    missing). The list is read from the right, and only as far as trusted proxies wrote it, so a client cannot choose
    its address.

    Args:
        trusted: the networks of the proxies.
    """

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def of(self, scope: Scope) -> str:
        """The address of the client of a request; empty if the connection has none."""
        client = scope.get("client")
        if not client:
            return ""
        peer = _parse(client[0])
        if peer is None or not self._trusts(peer):
            return str(client[0])
        found = peer
        for text in reversed(_hops(scope)[-MAX_HOPS:]):
            address = _parse(text)
            if address is None:
                # "unknown", or a name: nothing left of it can be trusted.
                break
            found = address
            if not self._trusts(address):
                break
        return str(found)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _hops(scope: Scope) -> list[str]:
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED_FOR]
    if values:
        return [part.strip() for part in ",".join(values).split(",")]
    joined = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED)
    return [quoted or plain for quoted, plain in FOR.findall(joined)]


def _parse(text: str) -> Address | None:
    match = WITH_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address((match[1] or match[2] or "") if match else text)
    except ValueError:
        return None
    # A socket that takes both kinds shows IPv4 clients as ::ffff:192.0.2.1.
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
