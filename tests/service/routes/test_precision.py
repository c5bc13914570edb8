"""A version can be served in more than one precision: requests or settings choose it, and the answer names it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffeo.bundle.manifest import PLANE_CHECKS, VARIANT_CHECKS, Certificate, Check
from diffeo.bundle.read import read
from diffeo.bundle.write import content_of, write
from diffeo.service.app import create_app
from diffeo.service.errors import SettingsInvalid
from diffeo.service.settings import Settings
from diffeo.training import export
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from tests.given.clients import v2_client as v2
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

# The variant is known by its mean, which is this far from the model's: less than the tolerance of its golden vectors.
SHIFT = 0.01
X = [[3.0, 2.0], [0.5, -1.0]]
LOG_PROB = affine.log_prob(np.array(X))
SHIFTED = affine.log_prob(np.array(X) - [SHIFT, 0])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The affine2d bundle, whose results are known by hand, with a second pair of graphs, and one version without."""
    folder = tmp_path_factory.mktemp("models")
    bundle = read(affine.PATH)
    mean = torch.tensor(affine.MEAN + np.array([SHIFT, 0]), dtype=torch.float32)
    flow = Architecture(2, 0, 1, 1, AffineCouplingSpec(limit=1.0)).build(
        mean, torch.tensor(affine.SCALE, dtype=torch.float32)
    )
    forward, inverse = export.to_onnx(flow, 2, "float32")
    checks = [Check(name=name, value=0, tolerance=0, rows=256, about="") for name in VARIANT_CHECKS | PLANE_CHECKS]
    content = replace(
        content_of(bundle),
        files={
            **bundle.files,
            "forward.int8.onnx": forward,
            "inverse.int8.onnx": inverse,
            "golden.int8.npy": bundle.files["golden.npy"],
        },
        variants={"int8": Certificate(reference="by hand", runtime="none", checks=tuple(checks))},
    )
    affine.copy_to(folder, "plain")
    write(content, folder / "both/1")
    return folder


@pytest.fixture(scope="module")
def app(models: Path) -> Iterator[App]:
    with App(Settings(models=models)) as running:
        yield running


def test_a_request_chooses_the_precision_and_the_answer_names_it(app: App) -> None:
    own = app.post("/log_prob", json={"model": "both", "x": X})
    other = app.post("/log_prob", json={"model": "both", "precision": "int8", "x": X})
    np.testing.assert_allclose(own.json()["log_prob"], LOG_PROB, rtol=1e-5)
    np.testing.assert_allclose(other.json()["log_prob"], SHIFTED, rtol=1e-5)
    assert other.json()["precision"] == other.headers["diffeo-precision"] == "int8"
    assert "precision" not in own.json()
    assert "diffeo-precision" not in own.headers


@pytest.mark.parametrize("operation", ["sample", "transform"])
def test_every_operation_takes_a_precision_and_names_it(app: App, operation: str) -> None:
    rows = {"direction": "inverse", "z": [[0, 0]]} if operation == "transform" else {"seed": 7}
    own = app.post(f"/{operation}", json={"model": "both", "precision": "float32", **rows}).json()
    other = app.post(f"/{operation}", json={"model": "both", "precision": "int8", **rows}).json()
    np.testing.assert_allclose(np.subtract(other["x"], own["x"]), [[SHIFT, 0]], atol=1e-5)
    assert (own.get("precision"), other["precision"]) == (None, "int8")


def test_a_v2_request_chooses_the_precision_by_a_parameter(app: App) -> None:
    rows = v2.tensor("x", X)
    own = v2.infer(app, "both", v2.body(rows))
    other = v2.infer(app, "both", v2.body(rows, parameters={"precision": "int8"}))
    np.testing.assert_allclose(other.tensors["log_prob"], SHIFTED, rtol=1e-5)
    np.testing.assert_allclose(own.tensors["log_prob"], affine.log_prob(np.array(X)), rtol=1e-5)
    assert other.head["parameters"] == {"precision": "int8"}
    assert "parameters" not in own.head


def test_a_header_names_the_precision_of_a_binary_answer(app: App) -> None:
    response = app.post("/sample?model=both&precision=int8&num_samples=200000&format=npy")
    assert response.headers["diffeo-precision"] == "int8"


def test_a_precision_that_a_bundle_lacks_is_not_found(app: App) -> None:
    response = app.post("/log_prob", json={"model": "plain", "precision": "int8", "x": X})
    assert (response.status_code, response.json()["type"]) == (404, "urn:diffeo:problem:precision-not-found")
    assert "float32" in response.json()["detail"]


@pytest.mark.parametrize("precision", [8, None, "", "in t8", ["int8"]])
def test_a_precision_that_is_no_name_is_an_error(app: App, precision: object) -> None:
    response = app.post("/log_prob", json={"model": "both", "precision": precision, "x": X})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/precision")


def test_the_settings_choose_the_precision_of_requests_that_name_none(models: Path) -> None:
    with App(Settings(models=models, precisions={"both": "int8"})) as running:
        answer = running.post("/log_prob", json={"model": "both", "x": X}).json()
        np.testing.assert_allclose(answer["log_prob"], SHIFTED, rtol=1e-5)
        assert answer["precision"] == "int8"
        assert (
            "precision" not in running.post("/log_prob", json={"model": "both", "precision": "float32", "x": X}).json()
        )
        assert "precision" not in running.post("/log_prob", json={"model": "plain", "x": X}).json()


@pytest.mark.parametrize("name", ["plain", "absent"])
def test_settings_that_name_a_missing_model_or_precision_stop_the_start(models: Path, name: str) -> None:
    with pytest.raises(SettingsInvalid, match="DIFFEO_PRECISIONS"):
        create_app(Settings(models=models, precisions={name: "int8"}))


def test_a_model_lists_its_precisions_with_their_certificates(app: App) -> None:
    newest = app.get("/models/both").json()["newest"]
    assert newest["precisions"] == ["float32", "int8"]
    names = {check["name"] for check in newest["variants"]["int8"]["certificate"]["checks"]}
    assert "delta_log_prob_mean" in names
    assert app.get("/models/plain").json()["newest"]["precisions"] == ["float32"]
