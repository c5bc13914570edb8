"""A model with x in float64 keeps the digits that float32 would lose, in every format and with either engine."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from diffeo.bundle import base
from diffeo.bundle.manifest import FileName
from diffeo.service.settings import Settings
from diffeo.training import export
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from tests.given.clients import v2_client as v2
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

NEAR = np.array([[1 + 1e-9, -2 + 1e-8]])  # float32 holds the mean, and nothing so near it
NPY = {"content-type": "application/x-npy"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """affine2d with x in float64."""
    folder = tmp_path_factory.mktemp("models")
    coupling = AffineCouplingSpec(limit=1.0)
    flow = Architecture(2, 0, 1, 1, coupling).build(torch.tensor(affine.MEAN), torch.tensor(affine.SCALE))
    forward, inverse = export.to_onnx(flow, 2, "float64", "float64")
    forward_script, inverse_script = export.to_torchscript(flow, 2, "float64", "float64")
    change: dict[FileName, bytes | None] = {
        "forward.onnx": forward,
        "inverse.onnx": inverse,
        "forward.ts": forward_script,
        "inverse.ts": inverse_script,
    }
    affine.remake(folder / "wide" / "1", change, "float64")
    return folder


@pytest.fixture(scope="module", params=["onnx", "torchscript"])
def wide(models: Path, request: pytest.FixtureRequest) -> Iterator[App]:
    with App(Settings(models=models, engine=request.param, chunk_rows=4)) as running:
        yield running


def test_rows_are_read_in_float64(wide: App) -> None:
    body = {"direction": "forward", "x": NEAR.tolist()}
    np.testing.assert_allclose(wide.post("/transform", json=body).json()["z"], affine.forward(NEAR), rtol=1e-6)
    buffer = io.BytesIO()
    np.save(buffer, NEAR)
    answer = wide.post("/transform?direction=forward", content=buffer.getvalue(), headers=NPY)
    np.testing.assert_allclose(np.load(io.BytesIO(answer.content)), affine.forward(NEAR), rtol=1e-6)


def test_rows_are_drawn_in_float64_and_written_with_every_digit(wide: App) -> None:
    text = wide.post("/sample", json={"num_samples": 3, "seed": 7}).json()["x"]
    np.testing.assert_allclose(text, affine.inverse(base.draw(7, 0, 3, 2)), rtol=1e-15)
    streamed = np.load(io.BytesIO(wide.post("/sample?num_samples=300&seed=7&format=npy").content))
    assert streamed.dtype == np.float64
    assert streamed[:3].tolist() == text


def test_a_value_beyond_float32_is_finite_and_its_density_is_not(wide: App) -> None:
    content = wide.post("/log_prob", json={"x": [[1e300, 1], [1, -2]]}).json()
    assert content["invalid_rows"] == [{"row": 0, "reason": "non_finite_output"}]
    assert wide.get("/models/wide").json()["newest"]["dtype"] == "float64"


def test_a_v2_model_has_fp64_tensors_as_bytes_and_as_json(wide: App) -> None:
    log_prob, inverse = (wide.get(f"/v2/models/wide{suffix}").json() for suffix in ("", ".inverse"))
    assert [tensor["datatype"] for tensor in (*log_prob["inputs"], *inverse["outputs"])] == ["FP64", "FP64", "FP32"]
    expected = wide.post("/log_prob", json={"x": NEAR.tolist()}).json()["log_prob"]
    raw = v2.RequestBody(NEAR.tobytes(), {v2.LENGTH: "0"})
    for sent in (
        raw,
        *(v2.body(v2.tensor("x", NEAR, "FP64", binary=binary)) for binary in (True, False)),
    ):
        np.testing.assert_array_equal(v2.infer(wide, "wide", sent).tensors["log_prob"], np.float32(expected))
    z = v2.body(v2.tensor("z", affine.forward(NEAR)))
    np.testing.assert_allclose(v2.infer(wide, "wide.inverse", z).tensors["x"], NEAR, rtol=1e-9)
