"""Opens 1,000 slow connections of 12 kinds: are all closed by their deadlines, and does a good client notice?

The good client sends one row at a time on a new connection, before and while the slow connections are open. Only the
ratio of the two runs is a figure: both share the cores with the slow clients.
"""

import resource
import sys
import threading
import time
from typing import Final

import httpx
import numpy as np

from benchmarks.paths import ROOT
from benchmarks.reliability import figure
from benchmarks.reliability.figure import Figure
from tests.given.servers.watched_server import WatchedServer
from tests.reliability.slow_kinds import SlowClient, SlowKind, kinds, play

COMMAND: Final = "python -m benchmarks.reliability.slow_connections"
MODEL: Final = "moons"
PERIOD_SECONDS: Final = 0.02
# The longest time limit of the run, the time that the two kinds of 1 byte at a time have, and the sweep.
LIMITS: Final = {"DIFFEO_HEAD_SECONDS": 10, "DIFFEO_BODY_SECONDS": 30, "DIFFEO_WRITE_SECONDS": 30}
# One kind takes 2 MiB a second, which is slow for this pace only.
MIN_BYTES_PER_SECOND: Final = 10_000_000
KEEP_ALIVE_SECONDS: Final = 35
GRACE_SECONDS: Final = 5


class GoodClient(threading.Thread):
    """Sends one row every 20 ms, each on a new connection."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._ended = threading.Event()
        self.seconds: list[float] = []
        self.failures = 0

    def run(self) -> None:
        while not self._ended.wait(PERIOD_SECONDS):
            began = time.perf_counter()
            try:
                response = httpx.post(self._url + "/log_prob", json={"model": MODEL, "x": [[0.3, -0.4]]})
                self.failures += response.status_code != httpx.codes.OK
            except httpx.TransportError:
                self.failures += 1
            self.seconds.append(time.perf_counter() - began)

    def finish(self) -> float:
        """Stop; the 99th percentile of the times in milliseconds."""
        self._ended.set()
        self.join()
        return float(np.percentile(self.seconds, 99) * 1e3)


def main() -> None:
    """Measure, and write the figures."""
    options = figure.read_options(__doc__)
    number = 120 if options.quick else 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    limits = {name: str(seconds / 10 if options.quick else seconds) for name, seconds in LIMITS.items()}
    keep_alive = KEEP_ALIVE_SECONDS / 10 if options.quick else KEEP_ALIVE_SECONDS
    longest = keep_alive + GRACE_SECONDS + (2 if options.quick else 10)
    limits |= {
        "DIFFEO_KEEP_ALIVE_SECONDS": str(keep_alive),
        "DIFFEO_MIN_BYTES_PER_SECOND": str(MIN_BYTES_PER_SECOND),
    }
    server = WatchedServer(ROOT / "models", workers=1, **limits)
    try:
        before, during, clients, growth = measure(server, number, longest)
    finally:
        server.end()
    closed = [client.closed_after for client in clients if client.closed_after is not None]
    requests = len(during.seconds)
    figures = [
        Figure.at_most("slow connections that were not closed by their deadlines", number - len(closed), 0, n=number),
        Figure.observed("longest life of a slow connection", max(closed, default=0.0), "s", n=number),
        Figure.at_most("failed requests of the good client", during.failures, 0, n=requests),
        Figure.at_most(
            "p99 of a good client beside slow connections, to alone",
            during.finish() / before.finish(),
            1.3,
            n=requests,
        ),
        Figure.observed("memory of the server beside slow connections", growth / 1e6, "MB", n=number),
    ]
    figure.write("slow_connections", COMMAND, figures, seed=None, quick=options.quick)
    for each in figures:
        sys.stdout.write(f"{each.name}: {each.value:.3g} {each.unit} {each.promise}\n")


def measure(server: WatchedServer, number: int, seconds: float) -> tuple[GoodClient, GoodClient, list[SlowClient], int]:
    """The good client before and during, the slow clients, and the bytes by which the server grew."""
    before = GoodClient(server.url)
    before.start()
    time.sleep(seconds / 4)
    before.finish()
    memory = server.usage().memory_bytes
    every = [*kinds(MODEL).values()]
    clients = [SlowClient.connect(server.port, _kind(every, index)) for index in range(number)]
    during = GoodClient(server.url)
    during.start()
    play(clients, seconds / 4, pause=1.0)
    growth = server.usage().memory_bytes - memory
    play(clients, seconds, pause=1.0)
    during.finish()
    return before, during, clients, growth


def _kind(every: list[SlowKind], index: int) -> SlowKind:
    # Two kinds make the server compute first; one in forty is enough of them, else their work is what is measured.
    reading = [kind for kind in every if kind.reads]
    unread = [kind for kind in every if not kind.reads]
    return unread[index // 40 % len(unread)] if index % 40 == 0 else reading[index % len(reading)]


if __name__ == "__main__":
    main()
