"""The supervisor replaces dead and hung workers, and workers that never start end the service with a reason."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from diffeo.service.process import slot, supervisor, worker_process
from diffeo.service.process.slot import LONGEST_BACKOFF_SECONDS, Slot
from diffeo.service.process.supervisor import Patience, Supervisor
from diffeo.service.process.worker_process import Launch, WorkerProcess, memory_file

# A worker without an application: it writes down what it is told, and answers each connection with its process id.
WORKER = """
import os, select, signal, socket, sys, time
from pathlib import Path
from diffeo.service.process.channel import Channel

folder = Path(os.environ["NOTES"])
channel = Channel(socket.socket(fileno=int(sys.argv[1])))
listeners = [socket.socket(fileno=int(number)) for number in os.environ["LISTENERS"].split(",")]
(folder / f"{os.getpid()}.started").touch()
signal.signal(signal.SIGTERM, lambda *_: channel.send("leave"))
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(60))
exec(os.environ.get("AT_START", ""))
channel.send("ready")
numbers = []
while True:
    channel.send("beat")
    for message in channel.receive():
        with (folder / f"{os.getpid()}.{message.word}").open("a") as told:
            told.write(f"{message.numbers}\\n")
        if message.word in ("stop", "retire"):
            sys.exit()
        numbers = message.numbers
        for number in numbers:
            listeners[number].listen()
    if channel.ended:
        sys.exit()
    for listener in select.select([listeners[number] for number in numbers], [], [], 0.05)[0]:
        listener.settimeout(0)
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            continue
        connection.sendall(str(os.getpid()).encode())
        connection.close()
"""
# Longer than a test: on a busy machine a worker that lives may be silent for seconds.
LONG = 600.0
PATIENT = Patience(silent=LONG, spare=LONG, hung=LONG, start=LONG, stop=LONG)


class Service:
    """A supervisor with two workers that run `WORKER`, and what they were told.

    Attributes:
        supervisor: it waits for workers as long as a test lasts, unless the test replaces it.
    """

    def __init__(self, folder: Path, sockets: Sequence[socket.socket], content: IO[bytes]) -> None:
        self.folder = folder
        self.port = int(sockets[0].getsockname()[1])
        self._launch = Launch(content, [each.fileno() for each in sockets])
        self._groups = [[number] for number in range(len(sockets))]
        self.supervise(PATIENT)

    def supervise(self, patience: Patience) -> None:
        """Replace the supervisor by one with this patience."""
        self.supervisor = Supervisor(self._launch, self._groups, patience)

    def noted_at(self, worker: int, word: str) -> int:
        """When a worker wrote down a word last."""
        return (self.folder / f"{worker}.{word}").stat().st_mtime_ns

    def workers(self) -> set[int]:
        """The process ids of the workers that have started and not ended."""
        started = {int(path.stem) for path in self.folder.glob("*.started")}
        return {number for number in started if Path(f"/proc/{number}/fd").exists() and _runs(number)}

    def told(self, worker: int, word: str) -> Sequence[str]:
        """The messages of this kind to the worker, in their order."""
        path = self.folder / f"{worker}.{word}"
        return path.read_text().splitlines() if path.exists() else ()

    def listens(self, worker: int) -> str:
        """The sockets that the worker was told last to accept from; empty if there are none."""
        return next(reversed(self.told(worker, "listen")), "")

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    async def both(self) -> tuple[int, int]:
        """The workers, once there are two and each accepts from its own socket."""
        await self.until(lambda: sorted(map(self.listens, self.workers())) == ["(0,)", "(1,)"])
        first, second = sorted(self.workers(), key=self.listens)
        return first, second

    async def answers(self, count: int) -> set[int]:
        """The workers that answer, over this number of connections."""
        return {await asyncio.to_thread(self._ask) for _ in range(count)}

    def _ask(self) -> int:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            return int(connection.recv(100))


def _runs(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        each.bind(("127.0.0.1", sockets[0].getsockname()[1] if each is not sockets[0] else 0))
    monkeypatch.setattr(worker_process, "COMMAND", (sys.executable, "-c", WORKER))
    monkeypatch.setenv("NOTES", str(tmp_path))
    monkeypatch.setenv("LISTENERS", ",".join(str(each.fileno()) for each in sockets))
    with memory_file() as content:
        yield Service(tmp_path, sockets, content)
    for each in sockets:
        each.close()


def test_a_killed_worker_is_replaced_and_its_socket_is_served_meanwhile(service: Service) -> None:
    async def during() -> None:
        first, second = await service.both()
        before = len(service.told(second, "listen"))
        os.kill(first, signal.SIGKILL)
        assert await service.answers(20) <= {second, *(service.workers() - {first})}
        assert first not in await service.both()
        # While the successor started, the other worker accepted from both sockets.
        assert service.told(second, "listen")[before:] == ["(1, 0)", "(1,)"]

    run(service, during)


def test_a_worker_with_a_blocked_loop_is_killed_and_replaced(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kill, listened = WorkerProcess.kill, list[str]()

    def noting_kill(worker: WorkerProcess) -> None:
        listened.extend(service.listens(each) for each in service.workers() - {worker.pid})
        kill(worker)

    monkeypatch.setattr(WorkerProcess, "kill", noting_kill)
    service.supervise(replace(PATIENT, silent=1.0, hung=6.0))

    async def during() -> None:
        first, second = await service.both()
        os.kill(first, signal.SIGUSR1)
        await service.until(lambda: first not in service.workers())
        assert second in await service.both()

    run(service, during)
    # At that time the other worker accepted from both sockets.
    assert listened == ["(1, 0)"]
    assert "its event loop has been blocked for" in str(caplog.records[0].__dict__["reason"])


def test_a_stopped_worker_that_continues_in_time_stays(service: Service) -> None:
    service.supervise(replace(PATIENT, silent=0.5))

    async def during() -> None:
        first, second = await service.both()
        before = len(service.told(second, "listen"))
        os.kill(first, signal.SIGSTOP)
        await service.until(lambda: "(1, 0)" in service.told(second, "listen")[before:])
        os.kill(first, signal.SIGCONT)
        assert await service.both() == (first, second)

    run(service, during)


def test_a_silent_worker_is_killed_when_its_successor_is_ready(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[WorkerProcess] = []

    def noting(launch: Launch, *, is_replacement: bool) -> WorkerProcess:
        launched.append(WorkerProcess(launch, is_replacement=is_replacement))
        return launched[-1]

    monkeypatch.setattr(supervisor, "WorkerProcess", noting)
    service.supervise(replace(PATIENT, spare=1.0))

    async def during() -> None:
        first, second = await service.both()
        os.kill(first, signal.SIGSTOP)
        await service.until(lambda: first not in service.workers())
        (successor,) = {*await service.both()} - {second}
        assert service.told(successor, "listen")

    run(service, during)
    # The successor took the place, so no other one was needed.
    assert len(launched) == 3


def test_a_successor_ends_if_the_worker_was_only_slow(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.supervise(replace(PATIENT, spare=0.5))

    async def during() -> None:
        first, second = await service.both()
        monkeypatch.setenv("AT_START", "time.sleep(1)")
        os.kill(first, signal.SIGSTOP)
        await service.until(lambda: len(service.workers()) == 3)
        os.kill(first, signal.SIGCONT)
        (successor,) = service.workers() - {first, second}
        await service.until(lambda: bool(service.told(successor, "retire")) and successor not in service.workers())
        assert {*await service.both()} == {first, second}

    run(service, during)


def test_a_worker_that_was_only_slow_gets_a_successor_each_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # If it counted as a failed start, the next successor would come after the test.
    monkeypatch.setattr(slot, "FIRST_BACKOFF_SECONDS", LONG)
    monkeypatch.setattr(slot, "LONGEST_BACKOFF_SECONDS", LONG)
    monkeypatch.setattr(slot, "REST_SECONDS", 0.0)
    service.supervise(replace(PATIENT, spare=0.5))

    async def during() -> None:
        first, second = await service.both()
        monkeypatch.setenv("AT_START", "time.sleep(1)")
        for _ in range(3):
            os.kill(first, signal.SIGSTOP)
            await service.until(lambda: len(service.workers()) == 3)
            os.kill(first, signal.SIGCONT)
            await service.until(lambda: service.workers() == {first, second})

    run(service, during)


def test_the_wait_after_a_failure_grows_up_to_a_limit_over_any_number_of_failures() -> None:
    place = Slot(())
    waits = []
    for _ in range(5000):
        place.wait_longer(0.0)
        waits.append(place.start_after)
    assert waits == sorted(waits)
    assert waits[0] < waits[-1] == LONGEST_BACKOFF_SECONDS


def test_a_restart_replaces_one_worker_after_the_other(service: Service) -> None:
    async def during() -> None:
        before = set(await service.both())
        os.kill(os.getpid(), signal.SIGHUP)
        await service.until(lambda: not before & service.workers())
        await service.both()
        assert all(service.told(each, "retire") and not service.told(each, "stop") for each in before)

    run(service, during)


def test_a_second_signal_kills_workers_that_do_not_end(service: Service) -> None:
    async def during() -> None:
        for worker in await service.both():
            os.kill(worker, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.5)
        assert len(service.workers()) == 2

    # `run` sends the second signal.
    run(service, during)


def test_a_worker_that_is_asked_to_stop_gets_a_successor_first(service: Service) -> None:
    async def during() -> None:
        first, second = await service.both()
        os.kill(first, signal.SIGTERM)
        await service.until(lambda: bool(service.told(first, "retire")) and first not in service.workers())
        both = await service.both()
        assert second in both
        (successor,) = {*both} - {second}
        assert service.noted_at(successor, "started") < service.noted_at(first, "retire")

    run(service, during)


def test_workers_that_cannot_start_end_the_service(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AT_START", "sys.exit(3)")
    asyncio.run(asyncio.wait_for(service.supervisor.run(), 60))
    assert service.supervisor.failed


def test_workers_that_die_at_each_start_are_started_a_few_times_only(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot, "FIRST_BACKOFF_SECONDS", 0.01)
    monkeypatch.setenv("AT_START", "os.abort()")
    asyncio.run(asyncio.wait_for(service.supervisor.run(), 60))
    assert service.supervisor.failed
    assert len(list(service.folder.glob("*.started"))) <= 2 * supervisor.STARTS


def test_a_process_that_the_system_refuses_ends_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    async def during() -> None:
        first, second = await service.both()
        with monkeypatch.context() as full:
            full.setattr("subprocess.Popen", refuse)
            os.kill(first, signal.SIGKILL)
            await service.until(lambda: service.workers() == {second})
            await asyncio.sleep(0.5)
            assert await service.answers(5) == {second}
        assert second in await service.both()

    run(service, during)


def test_failed_restarts_of_a_worker_that_leaves_wait_longer_each_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def during() -> None:
        first, second = await service.both()
        monkeypatch.setenv("AT_START", "sys.exit(3)")
        started = len(list(service.folder.glob("*.started")))
        os.kill(first, signal.SIGTERM)
        await service.until(lambda: len(list(service.folder.glob("*.started"))) > started)
        await asyncio.sleep(1.5)
        # Without a wait, one would start at every tick.
        assert len(list(service.folder.glob("*.started"))) - started <= 3
        assert await service.answers(20) == {first, second}

    run(service, during)


def test_a_successor_that_cannot_start_ends_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def during() -> None:
        first, second = await service.both()
        monkeypatch.setenv("AT_START", "sys.exit(3)")
        os.kill(first, signal.SIGKILL)
        started = len(list(service.folder.glob("*.started")))
        await service.until(lambda: len(list(service.folder.glob("*.started"))) >= started + 3)
        assert await service.answers(5) == {second}
        monkeypatch.setenv("AT_START", "")
        assert second in await service.both()

    run(service, during)
    assert not service.supervisor.failed


def run(service: Service, during: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run the supervisor, then stop it with the signal of an orchestrator; all workers must end."""

    async def main() -> None:
        running = asyncio.create_task(service.supervisor.run())
        try:
            await during()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(running, 30)
        assert not service.workers()

    asyncio.run(main())
