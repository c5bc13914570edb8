"""Fits a small flow, publishes it, starts the real server, and compares every answer with torch."""

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
from diffeo.training.flows.flow import Flow
from tests.given.flows.fitted import fitted, flow_of
from tests.given.servers.server_process import Server


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    generator = np.random.default_rng(4)
    a = generator.standard_normal(1500)
    return np.stack([1000 + 5 * a, a**2 + 0.5 * generator.standard_normal(1500)], axis=1)


@pytest.fixture(scope="module")
def models(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
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


def post_json(
    server: Server, path: str, rows: np.ndarray | None = None, **parameters: int | str | list[str]
) -> dict[str, np.ndarray]:
    """One request in JSON; the arrays of the answer by name."""
    name = "z" if parameters.get("direction") == "inverse" else "x"
    body = parameters if rows is None else {**parameters, name: rows.tolist()}
    answer = httpx.post(server.url + path, json=body).raise_for_status().json()
    return {name: np.asarray(value) for name, value in answer.items() if isinstance(value, list)}


def post_npy(server: Server, path: str, rows: np.ndarray | None = None, **parameters: int | str) -> np.ndarray:
    """One request in npy; the array of the answer."""
    buffer = io.BytesIO()
    if rows is not None:
        np.save(buffer, rows)
    headers = {"content-type": "application/x-npy", "accept": "application/x-npy"}
    answer = httpx.post(server.url + path, params=parameters, content=buffer.getvalue(), headers=headers)
    result: np.ndarray = np.load(io.BytesIO(answer.raise_for_status().content))
    return result


def test_the_fit_writes_its_plots_beside_the_bundle(models: Path) -> None:
    report = models / "bent/1.report"
    assert sorted(file.name for file in report.iterdir()) == ["forward.png", "inverse.png", "loss.csv", "loss.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in report.glob("*.png"))
    assert len((report / "loss.csv").read_text().splitlines()) == 16


def test_the_flow_has_learned_the_bend(models: Path, rows: np.ndarray) -> None:
    provenance = read(models / "bent/1").manifest.provenance
    gaussian = 0.5 * np.log(np.linalg.det(2 * np.pi * np.e * np.cov(rows.T)))
    assert provenance.test_nll < gaussian - 0.3


@pytest.mark.parametrize("binary", [False, True], ids=["json", "npy"])
def test_log_prob_equals_that_of_torch(server: Server, flow: Flow, rows: np.ndarray, binary: bool) -> None:  # noqa: FBT001
    held = rows.astype(np.float32)
    got = post_npy(server, "/log_prob", held) if binary else post_json(server, "/log_prob", held)["log_prob"]
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
        got = post_npy(server, "/transform", source, direction=direction)
    else:
        answer = post_json(server, "/transform", source, direction=direction)
        got = answer[image]
        np.testing.assert_allclose(answer["log_abs_det_jacobian"], ladj, atol=1e-4)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "npy"])
def test_samples_are_the_flow_of_the_seeded_normal_rows(server: Server, flow: Flow, binary: bool) -> None:  # noqa: FBT001
    parameters = {"num_samples": 2000, "seed": 7}
    got = post_npy(server, "/sample", **parameters) if binary else post_json(server, "/sample", **parameters)["x"]
    expected = flow.inverse(torch.from_numpy(base.draw(7, 0, 2000, 2)).double())[0].numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-3)


def test_one_seed_gives_identical_bytes_and_pages_join_to_the_whole_sample(server: Server) -> None:
    def draw(start: int, count: int) -> bytes:
        query: dict[str, int | str] = {"num_samples": count, "seed": 11, "start": start, "format": "npy"}
        return httpx.post(server.url + "/sample", params=query).raise_for_status().content[-count * 8 :]

    body = {"num_samples": 1000, "seed": 11, "return": ["x", "log_prob", "z"]}
    first, second = (httpx.post(server.url + "/sample", json=body).content for _ in range(2))
    assert first == second
    assert draw(0, 500) + draw(500, 500) == draw(0, 1000) == draw(0, 1) + draw(1, 999)


def test_a_streamed_large_sample_holds_the_rows_of_small_ones(server: Server) -> None:
    query: dict[str, int | str] = {"num_samples": 100_000, "seed": 3, "format": "npy"}
    whole = np.load(io.BytesIO(httpx.post(server.url + "/sample", params=query, timeout=60).content))
    page = post_npy(server, "/sample", num_samples=777, seed=3, start=50_000)
    assert whole.shape == (100_000, 2)
    assert np.array_equal(whole[50_000:50_777], page)


def test_the_log_prob_of_samples_equals_that_of_a_second_request(server: Server) -> None:
    drawn = post_json(server, "/sample", None, num_samples=1000, seed=5, **{"return": ["x", "log_prob"]})
    scored = post_json(server, "/log_prob", drawn["x"])
    np.testing.assert_allclose(drawn["log_prob"], scored["log_prob"], atol=1e-3)


def test_a_fit_to_bad_data_is_refused_with_file_line_and_column(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n" + "1,2\n" * 600 + "3,oops\n")
    assert main(["fit", str(tmp_path / "bad.csv"), "--name", "bad", "--models", str(tmp_path / "models")]) == 1
    sentence = capfd.readouterr().err
    assert all(word in sentence for word in ("bad.csv", "602", "'b'"))
    assert not (tmp_path / "models").exists()
