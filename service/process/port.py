"""One port, and a socket of its own for each worker: the kernel deals connections out by their hash.

Workers that share one listening socket take what they can, and the first to wake takes nearly all.
"""

import socket

from ..errors import NotListening


class Port(socket.socket):
    """A place on a port that others may share; sent to another process it arrives as a place of its own."""

    def __reduce__(self) -> tuple[type["Port"] | object, tuple[str, int]]:
        host, number = self.getsockname()[:2]
        return share, (host, number)


def reserve(host: str, number: int) -> Port:
    """A place on a port that nobody else has; number 0 takes a free one.

    Raises:
        NotListening: somebody has it, or this machine has no such address.
    """
    try:
        # Alone first: on a port that is shared, two services could serve each other's clients.
        with socket.socket(_family(host)) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((host, number))
            number = alone.getsockname()[1]
        return share(host, number)
    except OSError:
        raise NotListening(f"cannot listen on {host} port {number}; is it taken?") from None


def share(host: str, number: int) -> Port:
    """One more place on the port; it takes no connection before it listens."""
    place = Port(_family(host))
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.bind((host, number))
    place.set_inheritable(True)
    return place


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
