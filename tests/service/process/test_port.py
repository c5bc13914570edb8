"""A reserved port is taken for every other service from the first moment, and free when its process has ended."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from diffeo.service.errors import NotListening
from diffeo.service.process.port import PortReservation
from diffeo.service.process.syn_filter import drop_new_connections


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::1", "::", "localhost"])  # noqa: S104  (the wildcards are tested)
def reservation(request: pytest.FixtureRequest) -> Iterator[tuple[str, PortReservation]]:
    host: str = request.param
    with PortReservation(host, 0) as port:
        yield host, port


def test_a_reserved_port_is_taken_before_anyone_listens(reservation: tuple[str, PortReservation]) -> None:
    host, port = reservation
    assert port.number > 0
    with pytest.raises(NotListening, match=f"cannot listen on {host} port {port.number}; is it taken?"):
        PortReservation(host, port.number)


def test_a_reserved_port_stays_taken_when_the_sockets_are_bound_and_when_they_listen(
    reservation: tuple[str, PortReservation],
) -> None:
    host, port = reservation
    opened = [*port.open_sockets(), *port.open_sockets()]
    with pytest.raises(NotListening):
        PortReservation(host, port.number)
    for each in opened:
        each.listen()
    with pytest.raises(NotListening):
        PortReservation(host, port.number)
    for each in opened:
        each.close()


@pytest.mark.parametrize(("first", "second"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")])  # noqa: S104
def test_an_address_and_the_wildcard_exclude_each_other(first: str, second: str) -> None:
    with PortReservation(first, 0) as port, pytest.raises(NotListening):
        PortReservation(second, port.number)


def test_two_addresses_of_one_machine_can_have_the_same_port() -> None:
    with PortReservation("127.0.0.1", 0) as port, PortReservation("127.0.0.2", port.number) as other:
        assert other.number == port.number


def test_no_client_connects_while_a_port_is_reserved() -> None:
    # Nobody would answer it, and it would be reset.
    with PortReservation("127.0.0.1", 0) as port:
        number = port.number
    ended, connected = threading.Event(), list[bool]()

    def connect() -> None:
        while not ended.is_set():
            with socket.socket() as client, contextlib.suppress(OSError):
                client.settimeout(0)
                client.connect_ex(("127.0.0.1", number))
                client.getpeername()
                connected.append(True)

    with ThreadPoolExecutor(1) as threads:
        trying = threads.submit(connect)
        for _ in range(2000):
            PortReservation("127.0.0.1", number).close()
        ended.set()
        trying.result()
    assert not connected


def test_another_program_cannot_take_the_port(reservation: tuple[str, PortReservation]) -> None:
    host, port = reservation
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="Address already in use"):
            other.bind((host, port.number))


def test_a_port_that_is_only_reserved_takes_no_connection() -> None:
    with PortReservation("127.0.0.1", 0) as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port.number))


def test_a_port_is_free_again_when_its_process_was_killed_with_connections() -> None:
    program = (
        "import os, signal, socket; from diffeo.service.process.port import PortReservation\n"
        "port = PortReservation('127.0.0.1', 0); (listener,) = port.open_sockets(); listener.listen()\n"
        "client = socket.create_connection(('127.0.0.1', port.number)); server, _ = listener.accept()\n"
        # The side that closes first keeps the address for a minute (TIME_WAIT).
        "server.close(); client.recv(1); client.close(); print(port.number, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    with PortReservation("127.0.0.1", int(done.stdout)) as port:
        (listener,) = port.open_sockets()
        with listener:
            listener.listen()


def test_a_filtered_socket_gives_its_queue_and_takes_no_new_connection() -> None:
    with PortReservation("127.0.0.1", 0) as port:
        (listener,) = port.open_sockets()
        listener.listen()
        early = socket.create_connection(("127.0.0.1", port.number))
        assert drop_new_connections(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", port.number), timeout=0.3)
        accepted, _ = listener.accept()
        early.sendall(b"request")
        assert accepted.recv(100) == b"request"
        for each in (early, accepted, listener):
            each.close()


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(NotListening, match="192\\.0\\.2\\.1"):
        PortReservation("192.0.2.1", 0)
