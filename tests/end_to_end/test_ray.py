"""`diffeo serve --ray` on a cluster of two nodes: it answers like a plain server, even if a node dies under load."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

import httpx
import numpy as np
import pytest

from diffeo.bundle import npy
from tests.given.flows import affine
from tests.given.servers import seeded_load
from tests.given.servers.metrics_scrape import Scrape
from tests.given.servers.server_process import Server, free_port

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install 'diffeo[ray]'")
NODES = Path(__file__).parents[1] / "given/servers/ray_nodes.py"


class Arguments(TypedDict, total=False):
    """Arguments of httpx.post."""

    json: object
    content: bytes
    headers: dict[str, str]


X = [[1.0, -2.0], [3.0, 2.0], [None, 0.0]]
V2 = {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, -2, 3, 2]}]}
NPY = {"content-type": "application/x-npy"}
ROWS = npy.write(np.linspace(-3, 3, 4000, dtype=np.float32).reshape(-1, 2))
QUESTIONS: dict[str, tuple[str, Arguments]] = {
    "a seeded sample": ("/sample", {"json": {"num_samples": 5, "seed": 7, "return": ["x", "z", "log_prob"]}}),
    "a sample in npy": ("/sample?num_samples=300&seed=7&start=40&format=npy", {}),
    "a stream": ("/sample?num_samples=500000&seed=7&format=npy", {}),
    "a stream of lines": ("/sample?num_samples=50000&seed=7&format=csv", {}),
    "a score": ("/log_prob", {"json": {"x": X}}),
    "many scores": ("/log_prob?format=npy", {"content": ROWS, "headers": NPY}),
    "a transform": ("/transform", {"json": {"direction": "inverse", "z": [[0.5, 0.5]]}}),
    "the open protocol": ("/v2/models/affine2d/infer", {"json": V2}),
    "a refusal": ("/log_prob", {"json": {"x": [[1]]}, "headers": {"x-request-id": "mine"}}),
    "nothing there": ("/nowhere", {"json": {}, "headers": {"x-request-id": "mine"}}),
}
# Headers that differ between processes or moments, or that Ray adds.
VARYING_HEADERS = {"server-timing", "x-request-id", "date", "server", "connection", "keep-alive"}


class Cluster:
    """Two nodes with one replica of the service on each."""

    def __init__(self, models: Path) -> None:
        ports = ("HAPROXY_STATS_PORT", "HAPROXY_METRICS_PORT", "WORKER_PROXY_HTTP_PORT")
        # Both nodes are on this machine, so the proxy of the second one gets another port; clients use the first one.
        ports_and_token = {f"RAY_SERVE_{name}": str(free_port()) for name in ports} | {"RAY_AUTH_MODE": "disabled"}
        self._nodes = subprocess.Popen(
            [sys.executable, str(NODES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ports_and_token},
        )
        try:
            limits = {"DIFFEO_WORKERS": "2", "DIFFEO_MAX_QUEUE_ROWS": "100000"}
            environment = {"RAY_ADDRESS": self._read_line(), **ports_and_token, **limits}
            self.server = Server(models, "--ray", "--host", "0.0.0.0", **environment)  # noqa: S104
        except BaseException:
            self.end()
            raise
        self.models = models
        self.url = self.server.url

    def kill_a_node(self) -> None:
        assert self._nodes.stdin is not None
        self._nodes.stdin.write("kill\n")
        self._nodes.stdin.flush()
        assert self._read_line() == "killed"

    def end(self) -> None:
        self._nodes.communicate("", timeout=60)

    def _read_line(self) -> str:
        assert self._nodes.stdout is not None
        return self._nodes.stdout.readline().strip()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    models = tmp_path_factory.mktemp("models")
    affine.copy_to(models)
    running = Cluster(models)
    yield running
    code, _ = running.server.stop()
    running.end()
    assert code == 0


def answer(url: str, question: str) -> tuple[int, dict[str, str], bytes]:
    path, request = QUESTIONS[question]
    response = httpx.post(url + path, timeout=30, **request)
    headers = {name: value for name, value in response.headers.items() if name not in VARYING_HEADERS}
    return response.status_code, headers, response.content


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_equals_that_of_a_plain_server_bit_for_bit(cluster: Cluster, url: str, question: str) -> None:
    assert answer(cluster.url, question) == answer(url, question)


def test_a_response_has_one_request_id(cluster: Cluster) -> None:
    got = httpx.post(cluster.url + "/sample", headers={"x-request-id": "mine"})
    assert got.headers.get_list("x-request-id") == ["mine"]


def test_a_429_passes_through_the_proxy_with_its_retry_after(cluster: Cluster) -> None:
    body = npy.write(np.zeros((500_000, 2), np.float32))

    def post_rows(_: int) -> httpx.Response:
        return httpx.post(cluster.url + "/log_prob?format=npy", content=body, headers=NPY, timeout=30)

    with ThreadPoolExecutor(12) as clients:
        responses = list(clients.map(post_rows, range(12)))
    assert {response.status_code for response in responses} == {200, 429}
    rejected = next(response for response in responses if response.status_code == 429)
    assert rejected.json()["type"] == "urn:diffeo:problem:overloaded"
    assert int(rejected.headers["retry-after"]) >= 1


def replicas(cluster: Cluster) -> set[str]:
    """The replicas that answered one of twenty scrapes."""
    found: set[str] = set()
    for _ in range(20):
        samples = Scrape(httpx.get(cluster.url + "/metrics").text).samples
        named = {dict(labels).get("replica", "") for _, labels in samples}
        assert len(named) == 1
        found |= named
    return found


def test_a_scrape_names_the_replica_that_answered(cluster: Cluster) -> None:
    seeded_load.wait_until(lambda: len(replicas(cluster)) == 2)


def test_every_request_needs_at_most_one_retry_when_a_node_is_killed_under_load(cluster: Cluster, url: str) -> None:
    """The later tests run with one node less."""
    with seeded_load.Load(cluster.url, seeded_load.expected_samples(url), retries=1) as load:
        load.wait_for(200)
        cluster.kill_a_node()
        load.wait_for(200)
    assert load.failures == []
    assert load.retried <= seeded_load.CLIENTS


def test_a_new_version_is_served_by_the_remaining_replica(cluster: Cluster) -> None:
    """This is the last test of the module, because it changes the answers."""
    affine.shifted(cluster.models / "affine2d/2", 1)

    def serves_it() -> bool:
        try:
            served: int = httpx.post(cluster.url + "/log_prob", json={"x": X}).json()["version"]
        except httpx.TransportError:  # the proxy of Ray drops a connection now and then after a replica was killed
            return False
        return served == 2

    seeded_load.wait_until(serves_it)
