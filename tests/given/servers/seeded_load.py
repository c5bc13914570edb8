"""Clients that request seeded samples until they are stopped, and compare each answer bit for bit with a known one."""

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


def expected_samples(url: str) -> dict[int, bytes]:
    """The sample of each seed, from a server that is known to be right."""
    with httpx.Client(base_url=url) as http:
        return {seed: draw(http, seed) for seed in SEEDS}


class Load:
    """Sends requests while its block runs. A failed request is sent again at once, `retries` times.

    Attributes:
        answers: number of requests with the expected answer.
        retried: number of requests that were sent more than once.
        failures: the error of each request that failed at its last try.
    """

    def __init__(self, url: str, expected: dict[int, bytes], retries: int) -> None:
        self.answers = 0
        self.retried = 0
        self.failures: list[str] = []
        self._url = url
        self._expected = expected
        self._tries = retries + 1
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._clients = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for client in self._clients:
            client.join()

    def wait_for(self, answers: int) -> None:
        """Wait until `answers` more requests have the expected answer."""
        wanted = self.answers + answers
        wait_until(lambda: self.answers >= wanted)

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=20) as http:
            for seed in itertools.cycle(SEEDS):
                if self._done.is_set():
                    return
                self._request(http, seed)

    def _request(self, http: httpx.Client, seed: int) -> None:
        error_text = ""
        for number in range(self._tries):
            try:
                matches = draw(http, seed) == self._expected[seed]
            except httpx.HTTPError as error:
                error_text = repr(error)
                continue
            with self._lock:
                self.answers += matches
                self.retried += number > 0
                if not matches:
                    self.failures.append("a different sample")
            return
        with self._lock:
            self.failures.append(error_text)


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
