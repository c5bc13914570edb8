"""Clients that draw seeded samples until they are told to stop; every answer is known beforehand, bit for bit."""

import itertools
import threading
import time
from collections.abc import Callable
from typing import Self

import httpx

CLIENTS = 4
SEEDS = range(8)


def draw(http: httpx.Client, seed: int) -> bytes:
    return http.post(f"/sample?model=affine2d&num_samples=64&format=npy&seed={seed}").raise_for_status().content


def known(url: str) -> dict[int, bytes]:
    """What a server answers to each seed."""
    with httpx.Client(base_url=url) as http:
        return {seed: draw(http, seed) for seed in SEEDS}


class Load:
    """Asks until the block is left; a request that fails is asked again at once, so many times.

    Attributes:
        answers: requests that were answered as expected.
        again: requests that were asked more than once.
        failures: why a request was not answered at the last try.
    """

    def __init__(self, url: str, expected: dict[int, bytes], retries: int) -> None:
        self.answers = 0
        self.again = 0
        self.failures: list[str] = []
        self._url = url
        self._expected = expected
        self._tries = retries + 1
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._clients = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for client in self._clients:
            client.join()

    def more(self, answers: int) -> None:
        """Wait until so many more are answered."""
        wanted = self.answers + answers
        until(lambda: self.answers >= wanted)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=20) as http:
            for seed in itertools.cycle(SEEDS):
                if self._done.is_set():
                    return
                self._ask_once(http, seed)

    def _ask_once(self, http: httpx.Client, seed: int) -> None:
        fault = ""
        for number in range(self._tries):
            try:
                right = draw(http, seed) == self._expected[seed]
            except httpx.HTTPError as error:
                fault = repr(error)
                continue
            with self._lock:
                self.answers += right
                self.again += number > 0
                if not right:
                    self.failures.append("another answer")
            return
        with self._lock:
            self.failures.append(fault)


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
