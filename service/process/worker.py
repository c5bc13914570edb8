"""One worker process: serves on the sockets that its supervisor names, and sends signs of life from its event loop.

The supervisor runs this module with three numbers: the descriptor of the channel, that of the file of `WorkerStart`,
and 1 if a worker of the service has served before, else 0.
"""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from types import FrameType
from typing import Final

import uvicorn

from diffeo.runtime.errors import EngineError

from ..errors import ServiceError
from ..observability import logs
from ..observability.shared_counters import SharedCounters
from ..repository.shared_results import SharedResults
from ..settings import Settings
from .channel import BEAT, LEAVE, LISTEN, READY, RETIRE, STOP, Channel
from .graceful_server import SIGNALS, STARTUP_FAILURE, GracefulServer
from .server import create_worker_app, run, server_config
from .worker_start import WorkerStart

BEAT_SECONDS: Final = 0.2

log = logging.getLogger("diffeo")


class WorkerServer(GracefulServer):
    """A server whose supervisor names the sockets to accept from, and says when it stops.

    Args:
        config: the application and how to serve it.
        listeners: the sockets of all workers.
        channel: connects it with the supervisor.
        stop_delay: seconds between the request to stop and the end of accepting connections.
    """

    def __init__(
        self, config: uvicorn.Config, listeners: Sequence[socket.socket], channel: Channel, stop_delay: float
    ) -> None:
        super().__init__(config, listeners, stop_delay)
        self._channel = channel
        self._retiring = False
        self._changing_sockets = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  (they come later)
        """Start the application, and tell the supervisor. It answers with the sockets."""
        await self.start_application()
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._on_message)
        self._keep(self._beat())
        self._channel.send(READY)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ask the supervisor for a successor. The second signal ends this worker at once."""
        if self.should_exit or not self._channel.send(LEAVE):
            super().handle_exit(sig, frame)

    async def stop_accepting(self) -> None:
        """A retiring worker leaves the connections that wait in its sockets to its successor."""
        if self._retiring:
            await self.accept_from(())
        else:
            await super().stop_accepting()

    def _on_message(self) -> None:
        for message in self._channel.receive():
            if message.word == LISTEN and not self.should_exit:
                self._keep(self._change_sockets(message.numbers))
            self._retiring |= message.word == RETIRE
            self.should_exit |= message.word in {RETIRE, STOP}
        if self._channel.ended:
            # The supervisor has ended. Without it nobody would notice this worker.
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self.should_exit = True

    async def _change_sockets(self, numbers: Sequence[int]) -> None:
        async with self._changing_sockets:
            if not self.should_exit:
                await self.accept_from(numbers)

    async def _beat(self) -> None:
        while not self._channel.ended:
            self._channel.send(BEAT)
            await asyncio.sleep(BEAT_SECONDS)

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        # The event loop itself holds only weak references to tasks.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def main() -> None:
    """Serve until the supervisor says stop. The exit code says whether the application could start."""
    # A signal to all processes of the service reaches the supervisor too, which ends the workers that still start.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    channel_descriptor, start_descriptor, is_replacement = map(int, sys.argv[1:])
    channel = Channel(socket.socket(fileno=channel_descriptor))
    start = WorkerStart.read(start_descriptor)
    settings = Settings.model_validate_json(start.settings)
    logs.configure(settings.log_level)
    try:
        counters = SharedCounters(start.counter_files)
        shared_results = SharedResults(start.results)
        app = create_worker_app(settings, counters, shared_results, is_replacement=bool(is_replacement))
    except (ServiceError, EngineError) as error:
        log.error("the worker could not start", extra={"reason": str(error)})  # noqa: TRY400  (the reason is enough; a traceback is for bugs)
        sys.exit(STARTUP_FAILURE)
    listeners = [socket.socket(fileno=descriptor) for descriptor in start.listeners]
    run(WorkerServer(server_config(app, settings), listeners, channel, settings.stop_delay_seconds))


if __name__ == "__main__":
    main()
