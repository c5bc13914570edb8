"""A block triangular flow is fitted, certified and served like any other, and its answers equal those of torch."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from diffeo.bundle import base
from diffeo.bundle.read import read
from diffeo.runtime.finite_rows import Rows
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.matrix import BlockTriangular
from tests.given.flows.fitted import fitted, flow_of
from tests.given.servers.server_process import Server

COLUMNS = 5


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    rows = np.random.default_rng(5).standard_normal((1500, COLUMNS)) @ np.tril(np.full((COLUMNS, COLUMNS), 0.7))
    rows[:, 0] += 0.5 * rows[:, 1] ** 2
    np.save(folder / "bent.npy", rows)
    return fitted(
        folder,
        'name = "lower"\n[data]\nfile = "bent.npy"\n[flow]\nlayers = 4\nhidden = 16\nblock = 2\n'
        "[fit]\nepochs = 10\nbatch = 64\nlearning_rate = 3e-3\n",
    )


@pytest.fixture(scope="module")
def flow(models: Path) -> Flow:
    return flow_of(models / "lower/1")


@pytest.fixture(scope="module", params=["onnx", "torchscript"])
def server(models: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    running = Server(models, DIFFEO_ENGINE=request.param)
    yield running
    code, _ = running.stop()
    assert code == 0


def post_json(server: Server, path: str, **body: object) -> dict[str, Rows]:
    answer = httpx.post(server.url + path, json=body).raise_for_status().json()
    return {name: np.asarray(value) for name, value in answer.items() if isinstance(value, list)}


def test_the_fit_changed_every_matrix(flow: Flow) -> None:
    matrices = [module.forward() for module in flow.modules() if isinstance(module, BlockTriangular)]
    assert len(matrices) == 4
    assert all((a - torch.eye(len(a))).abs().max() > 0.01 for a in matrices)


def test_the_certificate_has_the_same_checks_as_for_any_flow(models: Path) -> None:
    manifest = read(models / "lower/1").manifest
    assert manifest.precision == "float32"
    assert manifest.provenance.recipe["flow.block"] == 2
    assert {check.name for check in manifest.certificate.checks} >= {"parity", "round_trip", "log_abs_det_jacobian"}
    assert all(check.holds for check in manifest.certificate.checks)


def test_samples_log_prob_and_transforms_equal_those_of_torch(server: Server, flow: Flow) -> None:
    z = base.draw(7, 0, 500, COLUMNS)
    x, ladj = (tensor.numpy() for tensor in flow.inverse(torch.from_numpy(z).double()))
    drawn = post_json(server, "/sample", num_samples=500, seed=7)["x"]
    assert np.abs(drawn - x).max() < 1e-4

    held = drawn.astype(np.float32)
    expected = flow.log_prob(torch.from_numpy(held).double()).numpy()
    assert np.abs(post_json(server, "/log_prob", x=held.tolist())["log_prob"] - expected).max() < 1e-4

    inverse = post_json(server, "/transform", direction="inverse", z=z.tolist())
    assert np.abs(inverse["x"] - x).max() < 1e-4
    assert np.abs(inverse["log_abs_det_jacobian"] - ladj).max() < 1e-4
    forward = post_json(server, "/transform", direction="forward", x=inverse["x"].tolist())
    assert np.abs(forward["z"] - z).max() < 1e-3
