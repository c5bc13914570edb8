"""Keeps the worker processes running: replaces dead and hung ones, restarts them one after the other, stops them all.

The supervisor owns the listening sockets, one group for each worker, and every worker inherits all of them. So the
connections that the kernel holds in a socket outlive the worker: while a worker is dead, silent or starting, another
one accepts them.

A worker is hung if its event loop has sent no sign of life for some seconds: a thread that still runs does not count.
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .graceful_server import DRAIN_SECONDS, SIGNALS, STARTUP_FAILURE
from .slot import Slot
from .worker_process import Launch, WorkerProcess

TICK_SECONDS: Final = 0.1
# A service whose workers end this often before one of them was ever ready cannot start.
STARTS: Final = 5

log = logging.getLogger("diffeo")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits for a worker.

    Attributes:
        silent: seconds without a sign of life until another worker accepts its connections too.
        spare: seconds without a sign of life until a successor starts. If the worker is still silent when its successor
            is ready, it is killed; else the successor ends.
        hung: seconds without a sign of life until it is killed.
        start: seconds until a worker that starts is killed.
        stop: seconds until a worker that stops is killed.
    """

    silent: float = 1.0
    spare: float = 0.6
    hung: float = 5.0
    start: float = 600.0
    stop: float = DRAIN_SECONDS + 5.0


class Supervisor:
    """Runs workers until a signal stops it: SIGINT or SIGTERM; the second one cuts off running requests.

    SIGHUP replaces the workers, one after the other. Each one stops when its successor accepts connections.

    Args:
        launch: all that a worker needs to start.
        groups: for each worker the numbers of its sockets.
        patience: how long it waits for a worker.

    Attributes:
        failed: True if the service ended because its workers could not start.
    """

    def __init__(self, launch: Launch, groups: Sequence[Sequence[int]], patience: Patience | None = None) -> None:
        self._launch = launch
        self._patience = patience or Patience()
        self._slots = [Slot(tuple(numbers)) for numbers in groups]
        self._retired: list[WorkerProcess] = []
        self._wake = asyncio.Event()
        self._last_tick = time.monotonic()
        self._was_ready = self._stopping = False
        self.failed = False

    async def run(self) -> None:
        """Run the workers until all have ended."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop_or_kill)
        loop.add_signal_handler(signal.SIGHUP, self._restart_all)
        while not self._stopping or self._workers():
            self._tick(time.monotonic())
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_SECONDS)

    def _tick(self, now: float) -> None:
        # If this process itself was stopped, as by Ctrl-Z, the signs of life of its workers are late as well.
        if now - self._last_tick > min(self._patience.silent, self._patience.spare):
            for worker in self._workers():
                worker.last_beat = now
        self._last_tick = now
        self._kill_hung(now)
        self._remove_ended(now)
        if not self._stopping:
            self._replace(now)
            self._start_missing(now)
            self._share_sockets(now)

    def _start_worker(self, slot: Slot, now: float) -> WorkerProcess | None:
        try:
            worker = WorkerProcess(self._launch, is_replacement=self._was_ready)
        except OSError as error:
            # The system may have no room for a process or a descriptor now. The other workers serve on.
            log.error("a worker could not start", extra={"reason": error.strerror or type(error).__name__})  # noqa: TRY400  (the reason is enough)
            slot.wait_longer(now)
            return None
        asyncio.get_running_loop().add_reader(worker.fileno(), self._read, worker)
        return worker

    def _read(self, worker: WorkerProcess) -> None:
        if not worker.read():
            asyncio.get_running_loop().remove_reader(worker.fileno())
        self._wake.set()

    def _kill_hung(self, now: float) -> None:
        for worker in self._workers():
            silent = now - worker.last_beat
            if worker.ready and silent > self._patience.hung:
                reason = f"its event loop has been blocked for {silent:.1f} seconds"
            elif not worker.ready and now - worker.started > self._patience.start:
                reason = f"it was not ready within {self._patience.start:g} seconds"
            elif worker.retired is not None and now - worker.retired > self._patience.stop:
                reason = f"it did not end within {self._patience.stop:g} seconds"
            else:
                continue
            log.error("a worker is killed", extra={"worker": worker.pid, "reason": reason})
            worker.last_beat = worker.started = now
            worker.kill()

    def _remove_ended(self, now: float) -> None:
        for slot in self._slots:
            if slot.successor is not None and slot.successor.exit_code is not None:
                self._log_end(slot.successor)
                # A worker that was asked to stop gets another successor later.
                slot.successor, slot.restart = None, False
                slot.wait_longer(now)
                log.error("a restart failed; the worker serves on")
            if slot.worker is not None and (code := slot.worker.exit_code) is not None:
                self._log_end(slot.worker)
                self._on_death(slot, slot.worker, code, now)
        for worker in [worker for worker in self._retired if worker.exit_code is not None]:
            self._retired.remove(worker)
            self._release(worker)

    def _on_death(self, slot: Slot, worker: WorkerProcess, code: int, now: float) -> None:
        # A successor that already starts takes the place.
        slot.worker, slot.successor, slot.restart = slot.successor, None, False
        if worker.ready:
            # A worker that lived is replaced at once.
            slot.failures, slot.start_after = 0, now
        else:
            slot.wait_longer(now)
        if not self._was_ready and (code == STARTUP_FAILURE or slot.failures >= STARTS) and not self._stopping:
            self.failed = True
            self._stop()

    def _log_end(self, worker: WorkerProcess) -> None:
        if worker.retired is None:
            fields = {"worker": worker.pid, "exit_code": worker.exit_code, "was_ready": worker.ready}
            log.error("a worker has ended", extra=fields)
        self._release(worker)

    def _release(self, worker: WorkerProcess) -> None:
        asyncio.get_running_loop().remove_reader(worker.fileno())
        worker.close()

    def _replace(self, now: float) -> None:
        """Start one successor at a time, and let it take over when it is ready."""
        for slot in self._slots:
            if slot.worker is None:
                continue
            if slot.successor is not None and slot.successor.ready:
                if slot.restart or self._is_silent(slot.worker, now):
                    self._take_over(slot, slot.worker, slot.successor)
                else:
                    # The worker was only slow.
                    slot.successor.retire()
                    self._retired.append(slot.successor)
                    slot.rest(now)
                slot.successor = None
            # From here on the worker may be another one.
            slot.restart |= slot.worker.leaving
            is_wanted = (slot.restart or self._is_silent(slot.worker, now)) and now >= slot.start_after
            if is_wanted and not any(each.successor for each in self._slots):
                slot.successor = self._start_worker(slot, now)

    def _is_silent(self, worker: WorkerProcess, now: float) -> bool:
        return worker.ready and now - worker.last_beat > self._patience.spare

    def _take_over(self, slot: Slot, worker: WorkerProcess, successor: WorkerProcess) -> None:
        if slot.restart:
            worker.retire()
            log.info("a worker was restarted", extra={"worker": successor.pid})
        else:
            reason = "its event loop was blocked, and a successor is ready"
            log.error("a worker is killed", extra={"worker": worker.pid, "reason": reason})
            worker.kill()
        self._retired.append(worker)
        slot.worker, slot.restart, slot.failures = successor, False, 0

    def _start_missing(self, now: float) -> None:
        for slot in self._slots:
            if slot.worker is None and now >= slot.start_after:
                slot.worker = self._start_worker(slot, now)

    def _share_sockets(self, now: float) -> None:
        """Each worker accepts from its own sockets; workers that respond also from those of the others."""
        ready = [slot for slot in self._slots if slot.worker is not None and slot.worker.ready]
        self._was_ready |= bool(ready)
        responding = [
            slot for slot in ready if slot.worker is not None and now - slot.worker.last_beat <= self._patience.silent
        ]
        orphans = [slot for slot in self._slots if slot not in responding]
        for slot in ready:
            numbers = [*slot.sockets]
            if slot in responding:
                # Several responding workers divide the sockets of the others.
                mine = orphans[responding.index(slot) :: len(responding)]
                numbers += [number for orphan in mine for number in orphan.sockets]
            if slot.worker is not None:
                slot.worker.listen(numbers)

    def _restart_all(self) -> None:
        for slot in self._slots:
            slot.restart = True
        self._wake.set()

    def _stop_or_kill(self) -> None:
        if self._stopping:
            for worker in self._workers():
                worker.kill()
        else:
            self._stop()

    def _stop(self) -> None:
        self._stopping = True
        for worker in self._workers():
            worker.stop()
        self._wake.set()

    def _workers(self) -> list[WorkerProcess]:
        places = [worker for slot in self._slots for worker in (slot.worker, slot.successor) if worker is not None]
        return [*places, *self._retired]
