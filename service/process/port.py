"""Opens sockets that share one port: each worker has its own, and the kernel distributes connections among them.

If workers shared one listening socket instead, the first worker to wake would take nearly all connections.
"""

import socket

from ..errors import NotListening


class SharedPortSocket(socket.socket):
    """A socket on a port that others may share. Pickling re-binds: the receiving process gets its own socket."""

    def __reduce__(self) -> tuple[type["SharedPortSocket"] | object, tuple[str, int]]:
        host, number = self.getsockname()[:2]
        return bind_shared, (host, number)


def reserve(host: str, number: int) -> SharedPortSocket:
    """Bind a port that no other service uses; number 0 takes a free one.

    Raises:
        NotListening: the port is taken, or this machine does not have the address.
    """
    try:
        # First without SO_REUSEPORT: on a shared port, two services could receive each other's requests.
        with socket.socket(_family(host)) as exclusive:
            exclusive.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            exclusive.bind((host, number))
            number = exclusive.getsockname()[1]
        return bind_shared(host, number)
    except OSError:
        raise NotListening(f"cannot listen on {host} port {number}; is it taken?") from None


def bind_shared(host: str, number: int) -> SharedPortSocket:
    """One more socket on the port. It receives no connection before it listens."""
    bound = SharedPortSocket(_family(host))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, number))
    bound.set_inheritable(True)
    return bound


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
