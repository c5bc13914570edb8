"""Versions published under load are served by every worker: no request fails, no answer mixes two versions.

With `DIFFEO_SWAPS=100` in the environment, a hundred versions are published; that takes about five minutes.
"""

import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Self

import httpx
import numpy as np
import pytest

from tests.given.flows import affine
from tests.given.servers.seeded_load import wait_until
from tests.given.servers.server_process import Server

SWAPS = int(os.environ.get("DIFFEO_SWAPS", "2"))
CLIENTS = 4
SECONDS = 20
X = np.array([[1.0, -2.0], [3.0, 2.0]])


@pytest.fixture
def models(tmp_path: Path) -> Path:
    affine.shifted(tmp_path / "affine2d/1", 0)
    return tmp_path


@pytest.fixture
def server(models: Path) -> Iterator[Server]:
    running = Server(models, DIFFEO_WORKERS="2")
    yield running
    code, _ = running.stop()
    assert code == 0


class Load:
    """Clients that send requests while the block runs, each on one connection, and check every answer."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self._url = url
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

    def _run(self) -> None:
        with httpx.Client(base_url=self._url) as http:
            while not self._done.is_set():
                try:
                    self._check(http.post("/log_prob", json={"x": X.tolist()}))
                except Exception as error:  # noqa: BLE001  (any error is a failed request)
                    self.failures.append(repr(error))

    def _check(self, response: httpx.Response) -> None:
        answer = response.raise_for_status().json()
        expected = affine.log_prob(X - (answer["version"] - 1))
        np.testing.assert_allclose(answer["log_prob"], expected, rtol=1e-4)
        self.answers[answer["version"]] += 1


def all_workers_serve(url: str, version: int) -> bool:
    # Each request uses a new connection; the kernel distributes them among the workers.
    found = {httpx.get(url + "/models/affine2d").json()["newest"]["version"] for _ in range(12)}
    return found == {version}


def test_new_versions_are_served_under_load(models: Path, server: Server) -> None:
    with Load(server.url) as load:
        for version in range(2, SWAPS + 2):
            affine.shifted(models / f"affine2d/{version}", version - 1)
            wait_until(partial(all_workers_serve, server.url, version), SECONDS)
            shutil.rmtree(models / f"affine2d/{version - 1}")
    assert load.failures == []
    assert set(load.answers) == set(range(1, SWAPS + 2))


def test_a_bad_version_is_reported_as_refused_and_disturbs_no_request(models: Path, server: Server) -> None:
    with Load(server.url) as load:
        (affine.copy_to(models, version=2) / "golden.npy").unlink()
        entry: dict[str, object] = {}

        def is_listed() -> bool:
            # Each worker scans the folder itself, so one worker may list the version before another.
            entry.update(httpx.get(server.url + "/models/affine2d/versions/2").json())
            return "state" in entry

        wait_until(is_listed, SECONDS)
        assert (entry["state"], entry["reason"]) == ("refused", "golden.npy is missing")
        assert httpx.get(server.url + "/readyz").status_code == 200
    assert load.failures == []
    assert set(load.answers) == {1}
