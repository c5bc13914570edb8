"""Fits a small flow, publishes it, starts a real server, and compares every answer with the flow in torch."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from diffeo.bundle import base
from diffeo.bundle.read import read
from diffeo.cli.main import main
from diffeo.runtime.finite_rows import Rows
from diffeo.training.flows.flow import Flow
from tests.given.flows.fitted import fitted, flow_of
from tests.given.servers.server_process import Server


@pytest.fixture(scope="module")
def rows() -> Rows:
    generator = np.random.default_rng(4)
    a = generator.standard_normal(1500)
    return np.stack([1000 + 5 * a, a**2 + 0.5 * generator.standard_normal(1500)], axis=1)


@pytest.fixture(scope="module")
def models(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    np.savetxt(folder / "bent.csv", rows, delimiter=",", header="pressure,flow", comments="", fmt="%.6f")
    return fitted(
        folder,
        'name = "bent"\n[data]\nfile = "bent.csv"\n[flow]\nlayers = 4\nhidden = 32\n'
        "[fit]\nepochs = 15\nbatch = 64\nlearning_rate = 3e-3\n",
    )


@pytest.fixture(scope="module")
def flow(models: Path) -> Flow:
    return flow_of(models / "bent/1")


@pytest.fixture(scope="module", params=["onnx", "torchscript"])
def server(models: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    running = Server(models, DIFFEO_ENGINE=request.param)
    yield running
    code, _ = running.stop()
    assert code == 0


def post_json(server: Server, path: str, body: dict[str, object]) -> dict[str, Rows]:
    """The arrays of a JSON answer."""
    answer = httpx.post(server.url + path, json=body).raise_for_status().json()
    return {name: np.asarray(value) for name, value in answer.items() if isinstance(value, list)}


def post_npy(server: Server, path: str, query: dict[str, str | int], rows: Rows | None = None) -> Rows:
    """The array of an npy answer."""
    buffer = io.BytesIO()
    if rows is not None:
        np.save(buffer, rows)
    headers = {"content-type": "application/x-npy", "accept": "application/x-npy"}
    answer = httpx.post(server.url + path, params=query, content=buffer.getvalue(), headers=headers, timeout=60)
    result: Rows = np.load(io.BytesIO(answer.raise_for_status().content))
    return result


def test_the_fit_writes_its_plots_beside_the_bundle(models: Path) -> None:
    report = models / "bent/1.report"
    files = {"forward.png", "inverse.png", "loss.csv", "loss.png", "report.html", "table.json"}
    assert {file.name for file in report.iterdir()} == files
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in report.glob("*.png"))
    assert len((report / "loss.csv").read_text().splitlines()) == 16


def test_the_flow_fits_better_than_a_gaussian(models: Path, rows: Rows) -> None:
    provenance = read(models / "bent/1").manifest.provenance
    gaussian = 0.5 * np.log(np.linalg.det(2 * np.pi * np.e * np.cov(rows.T)))
    assert provenance.test_nll < gaussian - 0.3


@pytest.mark.parametrize("binary", [False, True], ids=["json", "npy"])
def test_log_prob_equals_that_of_torch(server: Server, flow: Flow, rows: Rows, binary: bool) -> None:  # noqa: FBT001
    held = rows.astype(np.float32)
    if binary:
        got = post_npy(server, "/log_prob", {}, held)
    else:
        got = post_json(server, "/log_prob", {"x": held.tolist()})["log_prob"]
    expected = flow.log_prob(torch.from_numpy(held.astype(np.float64))).numpy()
    assert np.abs(got - expected).max() < 1e-4


@pytest.mark.parametrize("binary", [False, True], ids=["json", "npy"])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_transform_equals_that_of_torch(server: Server, flow: Flow, direction: str, binary: bool) -> None:  # noqa: FBT001
    z = base.draw(1, 0, 3000, 2)
    source = z if direction == "inverse" else flow.inverse(torch.from_numpy(z).double())[0].numpy().astype(np.float32)
    image = "z" if direction == "forward" else "x"
    function = flow.forward if direction == "forward" else flow.inverse
    expected, ladj = (tensor.numpy() for tensor in function(torch.from_numpy(source).double()))
    if binary:
        got = post_npy(server, "/transform", {"direction": direction}, source)
    else:
        name = "x" if direction == "forward" else "z"
        answer = post_json(server, "/transform", {"direction": direction, name: source.tolist()})
        got = answer[image]
        np.testing.assert_allclose(answer["log_abs_det_jacobian"], ladj, atol=1e-4)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "npy"])
def test_samples_are_the_inverse_of_the_flow_applied_to_the_base_draw(server: Server, flow: Flow, binary: bool) -> None:  # noqa: FBT001
    if binary:
        got = post_npy(server, "/sample", {"num_samples": 2000, "seed": 7})
    else:
        got = post_json(server, "/sample", {"num_samples": 2000, "seed": 7})["x"]
    expected = flow.inverse(torch.from_numpy(base.draw(7, 0, 2000, 2)).double())[0].numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-3)


def test_one_seed_gives_identical_bytes_and_its_pages_join_into_the_whole_sample(server: Server) -> None:
    def draw(start: int, count: int) -> bytes:
        query: dict[str, str | int] = {"num_samples": count, "seed": 11, "start": start, "format": "npy"}
        return httpx.post(server.url + "/sample", params=query).raise_for_status().content[-count * 8 :]

    body = {"num_samples": 1000, "seed": 11, "return": ["x", "log_prob", "z"]}
    first, second = (httpx.post(server.url + "/sample", json=body).content for _ in range(2))
    assert first == second
    assert draw(0, 500) + draw(500, 500) == draw(0, 1000) == draw(0, 1) + draw(1, 999)


def test_a_streamed_sample_has_the_same_rows_as_small_samples(server: Server) -> None:
    whole = post_npy(server, "/sample", {"num_samples": 100_000, "seed": 3})
    page = post_npy(server, "/sample", {"num_samples": 777, "seed": 3, "start": 50_000})
    assert whole.shape == (100_000, 2)
    assert np.array_equal(whole[50_000:50_777], page)


def test_the_log_prob_of_a_sample_equals_that_of_the_log_prob_operation(server: Server) -> None:
    sample = post_json(server, "/sample", {"num_samples": 1000, "seed": 5, "return": ["x", "log_prob"]})
    density = post_json(server, "/log_prob", {"x": sample["x"].tolist()})
    np.testing.assert_allclose(sample["log_prob"], density["log_prob"], atol=1e-3)


def test_a_fit_of_a_table_with_a_wrong_cell_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n" + "1,2\n" * 600 + "3,oops\n")
    assert main(["fit", str(tmp_path / "bad.csv"), "--name", "bad", "--models", str(tmp_path / "models")]) == 1
    sentence = capfd.readouterr().err
    assert all(word in sentence for word in ("bad.csv", "602", "'b'"))
    assert not (tmp_path / "models").exists()
