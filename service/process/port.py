"""Reserves the port of the service and opens its listening sockets: one for each worker and address.

All sockets of one address share the port (SO_REUSEPORT), and the kernel distributes connections among them. If workers
shared one listening socket instead, the first worker to wake would take nearly all connections.
"""

import contextlib
import errno
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from ..errors import NotListening
from .syn_filter import drop_new_connections

BACKLOG: Final = 2048  # connections that the kernel holds for one socket until a worker accepts them

Address = tuple[socket.AddressFamily, str]


class PortReservation:
    """A port on all addresses of a host that no other service can take while this object lives.

    The kernel releases it when the process ends, in whatever way.

    Args:
        host: an address, or a name that stands for one or several.
        number: the port; 0 takes a free one.

    Attributes:
        number: the reserved port.

    Raises:
        NotListening: the port is taken or needs other rights, or this machine does not have the address.
    """

    def __init__(self, host: str, number: int) -> None:
        self.number = number
        self._guards: list[tuple[Address, socket.socket]] = []
        try:
            for address in _addresses(host):
                self._reserve(address)
        except OSError as error:
            self.close()
            raise NotListening(f"cannot listen on {host} port {number}{_reason(error)}") from None
        if not self._guards:
            raise NotListening(f"cannot listen on {host} port {number}: this machine does not have the address")

    def open_sockets(self) -> list[socket.socket]:
        """One more socket on the port for each address. It receives no connection before it listens."""
        return [_bind(address, self.number, socket.SO_REUSEADDR, socket.SO_REUSEPORT) for address, _ in self._guards]

    def close(self) -> None:
        """Give the port back."""
        for _, guard in self._guards:
            guard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reserve(self, address: Address) -> None:
        try:
            guard = _guard(address, self.number)
        except OSError as error:
            # "localhost" often has an IPv6 address on a machine without IPv6. The other addresses are enough.
            if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                return
            raise
        self._guards.append((address, guard))
        self.number = guard.getsockname()[1]


def _reason(error: OSError) -> str:
    return "; is it taken?" if error.errno == errno.EADDRINUSE else f": {error.strerror}"


def _addresses(host: str) -> Sequence[Address]:
    found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # Scoped addresses (fe80::1%eth0) keep their scope in the text, so that binding the text works.
    return list(dict.fromkeys((family, str(place[0])) for family, *_, place in found))


def _guard(address: Address, number: int) -> socket.socket:
    """A bound socket that never receives a connection and keeps others from binding the port.

    Two sockets with SO_REUSEADDR may bind one port as long as neither listens. So a server that only bound its port
    would not notice a second one that starts beside it. The guard has SO_REUSEPORT and not SO_REUSEADDR: the kernel
    rejects all sockets but those of this service, which share the port. Some kernels compare the options only after a
    socket has listened once.
    """
    if not number:
        # The kernel forgets a port that it chose itself when the socket stops listening, so it is bound by its number.
        with _bind(address, 0) as chooser:
            number = chooser.getsockname()[1]
    # With SO_REUSEADDR, connections of an ended server that the kernel still remembers do not hold the port.
    guard = _bind(address, number, socket.SO_REUSEADDR)
    # A client that connects in this moment would be reset. Its first packet is dropped, and comes again after a second.
    drop_new_connections(guard)
    guard.listen(1)
    with contextlib.suppress(OSError):
        guard.shutdown(socket.SHUT_RDWR)
    guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return guard


def _bind(address: Address, number: int, *options: int) -> socket.socket:
    family, host = address
    bound = socket.socket(family)
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind((host, number))
    except OSError:
        bound.close()
        raise
    return bound
