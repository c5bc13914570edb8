"""A real server process: it loads no torch, needs little memory, and serves a density that integrates to one."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from diffeo.bundle.read import read
from diffeo.runtime.finite_rows import Rows
from diffeo.training.flows.architecture import flow_from_bytes
from diffeo.training.targets import Circles, Moons, Target
from tests.given.servers.server_process import Server

ROOT = Path(__file__).parents[2]
TARGETS: dict[str, tuple[Target, float]] = {"moons": (Moons(), 0.002), "circles": (Circles(), 0.002)}
# The server answers with the newest version where the request names none.
NEWEST = "2"
NPY = {"content-type": "application/x-npy", "accept": "application/x-npy"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server(ROOT / "models")
    yield running
    running.stop()


def log_prob(server: Server, name: str, x: Rows) -> Rows:
    buffer = io.BytesIO()
    np.save(buffer, x)
    answer = httpx.post(
        f"{server.url}/log_prob?model={name}", content=buffer.getvalue(), headers=NPY, timeout=120
    ).raise_for_status()
    result: Rows = np.load(io.BytesIO(answer.content))
    return result


def test_the_process_has_not_loaded_torch(server: Server) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "libonnxruntime" in maps or "onnxruntime" in maps
    assert "torch" not in maps


def test_both_models_are_served_in_less_than_200_mb(server: Server) -> None:
    for name in TARGETS:
        log_prob(server, name, np.zeros((100_000, 2), np.float32))
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    assert resident < 200 * 1000


@pytest.mark.parametrize("name", TARGETS)
def test_the_served_density_agrees_with_the_flow_in_float64(server: Server, name: str) -> None:
    flow = flow_from_bytes(read(ROOT / "models" / name / NEWEST).files["flow.safetensors"]).double()
    flow.requires_grad_(requires_grad=False)
    target, _ = TARGETS[name]
    samples = httpx.post(server.url + "/sample", json={"model": name, "num_samples": 5000, "seed": 1}).json()["x"]
    data = target.draw(5000, np.random.default_rng(1))
    x = np.concatenate([np.asarray(samples), data]).astype(np.float32)
    expected = flow.log_prob(torch.from_numpy(x.astype(np.float64))).numpy()
    assert np.abs(log_prob(server, name, x) - expected).max() < 1e-4


@pytest.mark.parametrize("name", TARGETS)
def test_the_served_density_integrates_to_one(server: Server, name: str) -> None:
    axes = [np.linspace(-4, 4, 1001), np.linspace(-4, 4, 1001)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)
    density = np.concatenate(
        [np.exp(log_prob(server, name, part).astype(np.float64)) for part in np.split(grid[:-1], 10)]
    )
    assert density.sum() * (8 / 1000) ** 2 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", TARGETS)
def test_the_served_density_is_close_to_the_true_density(server: Server, name: str) -> None:
    target, limit = TARGETS[name]
    fresh = target.draw(50_000, np.random.default_rng(2))
    divergence = (target.log_prob(fresh) - log_prob(server, name, fresh.astype(np.float32))).mean()
    assert -0.005 < divergence < limit


@pytest.mark.parametrize("version", ["1", NEWEST])
@pytest.mark.parametrize("name", TARGETS)
def test_a_committed_bundle_is_smaller_than_two_megabytes(name: str, version: str) -> None:
    folder = ROOT / "models" / name / version
    assert sum(file.stat().st_size for file in folder.iterdir()) < 2_000_000
