"""`docker compose up` serves in a restricted container; a fit is served without a restart. Needs a Docker engine."""

import threading
import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from tests.given.flows import affine
from tests.given.servers.compose_project import Compose, missing

REASON = missing()
pytestmark = [pytest.mark.compose, pytest.mark.skipif(REASON is not None, reason=str(REASON))]
LATE = """
name = "late"
[data]
file = "late.csv"
[flow]
layers = 2
hidden = 16
[fit]
epochs = 4
batch = 64
learning_rate = 3e-3
"""


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    models, tables = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("tables")
    for folder in (models, tables):
        # The containers run as other users.
        folder.chmod(0o755)
    affine.copy_to(models)
    rows = np.random.default_rng(5).standard_normal((1000, 2))
    np.savetxt(tables / "late.csv", rows, delimiter=",", header="a,b", comments="", fmt="%.6f")
    (tables / "late.toml").write_text(LATE)
    running = Compose(models, tables)
    try:
        running.run("up", "--detach", "--build")
        running.wait(lambda: httpx.get(running.url + "/readyz").status_code == 200)
        yield running
    finally:
        running.down()


def test_all_three_operations_answer(compose: Compose) -> None:
    x = [[1.0, -2.0], [3.0, 2.0]]
    scores = httpx.post(compose.url + "/log_prob", json={"model": "affine2d", "x": x}).json()
    np.testing.assert_allclose(scores["log_prob"], affine.log_prob(np.array(x)), atol=1e-5)
    moved = httpx.post(compose.url + "/transform", json={"model": "affine2d", "direction": "forward", "x": x}).json()
    np.testing.assert_allclose(moved["z"], affine.forward(np.array(x)), atol=1e-5)
    drawn = httpx.post(compose.url + "/sample", json={"model": "affine2d", "num_samples": 3, "seed": 7}).json()
    assert len(drawn["x"]) == 3


def test_the_process_has_no_rights_beyond_serving(compose: Compose) -> None:
    assert compose.inside("id", "-u").stdout.strip() == "10001"
    assert compose.inside("touch", "/models/mine").returncode != 0
    assert compose.inside("touch", "/opt/diffeo/mine").returncode != 0
    assert compose.inside("touch", "mine").returncode == 0
    status = compose.inside("cat", "/proc/1/status").stdout
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_the_container_has_limits_and_a_read_only_root(compose: Compose) -> None:
    host = compose.inspect("diffeo")["HostConfig"]
    assert isinstance(host, dict)
    assert host["ReadonlyRootfs"] is True
    assert host["PidsLimit"] == 256
    assert host["Memory"] == 2 * 2**30
    assert host["NanoCpus"] == 2 * 10**9
    assert host["CapDrop"] == ["ALL"]


def test_the_image_has_no_torch(compose: Compose) -> None:
    assert compose.inside("python3", "-c", "import torch").returncode != 0
    assert compose.inside("python3", "-c", "import diffeo.service.app, pyarrow.ipc").returncode == 0


def test_it_becomes_healthy(compose: Compose) -> None:
    def healthy() -> bool:
        state = compose.inspect("diffeo")["State"]
        return isinstance(state, dict) and state["Health"]["Status"] == "healthy"

    compose.wait(healthy)


def test_a_fit_in_the_train_profile_is_served_without_a_restart(compose: Compose) -> None:
    started = compose.inspect("diffeo")["Created"]
    compose.run("--profile", "train", "run", "--rm", "train", DIFFEO_FIT="/tables/late.toml")
    compose.wait(lambda: httpx.get(compose.url + "/models/late").json()["newest"]["columns"] == ["a", "b"], 10)
    scores = httpx.post(compose.url + "/log_prob", json={"model": "late", "x": [[0.0, 0.0]]}).json()
    assert -3 < scores["log_prob"][0] < -1
    assert compose.inspect("diffeo")["Created"] == started


def test_prometheus_scrapes_it(compose: Compose) -> None:
    compose.run("--profile", "monitoring", "up", "--detach", "prometheus")

    def scraped() -> bool:
        answer = httpx.get(compose.prometheus + "/api/v1/query", params={"query": 'up{job="diffeo"}'}).json()
        return bool(answer["data"]["result"][0]["value"][1] == "1")

    compose.wait(scraped)


def test_stop_finishes_the_running_requests(compose: Compose) -> None:
    """This is the last test that needs the service, because it stops it."""
    query: dict[str, str | int] = {"model": "affine2d", "num_samples": 5_000_000, "seed": 1, "format": "npy"}
    received: list[int] = []

    def draw() -> None:
        with httpx.stream("POST", compose.url + "/sample", params=query, timeout=60) as answer:
            for part in answer.iter_raw():
                received.append(len(part))
                if len(received) < 50:
                    time.sleep(0.02)

    reader = threading.Thread(target=draw)
    reader.start()
    compose.wait(lambda: bool(received))
    compose.run("stop", "diffeo")
    reader.join()
    assert sum(received) == 5_000_000 * 2 * 4 + 128
    state = compose.inspect("diffeo")["State"]
    assert isinstance(state, dict)
    assert state["ExitCode"] == 0


def test_the_file_is_valid_in_all_profiles(compose: Compose) -> None:
    profiles = [part for name in ("gpu", "balanced", "train", "monitoring") for part in ("--profile", name)]
    services = compose.run(*profiles, "config", "--services").split()
    assert sorted(services) == ["balancer", "diffeo", "diffeo-gpu", "grafana", "prometheus", "replica", "train"]
