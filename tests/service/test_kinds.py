"""A served model with kinds: samples are whole and inside bounds, and their log_prob is what /log_prob says."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffeo import Client
from diffeo.bundle import base
from diffeo.bundle.errors import BundleError
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.bundle.read import Bundle, read
from diffeo.bundle.schema.column_kind import ColumnKind
from diffeo.density import Output
from diffeo.local.model import LocalModel, open_bundle
from diffeo.runtime.column_map import ColumnMap
from diffeo.service import model_loader
from diffeo.service.repository import repository
from diffeo.service.repository.canary import Canary
from diffeo.service.settings import Settings
from tests.given.clients import v2_client as v2
from tests.given.clients.app_transport import AppTransport
from tests.given.flows import affine
from tests.given.flows.kinds import KINDS, MASS_ERROR, log_prob, publish
from tests.given.manifest_changes import put, reseal, value_at
from tests.given.servers.asgi_app import App

MODELS: Mapping[str, Mapping[str, ColumnKind]] = {
    "snapped": {"height": KINDS["count"], "weight": KINDS["zero-inflated"]},
    "bounded": {"height": KINDS["between"]},
    "extreme": {"height": KINDS["huge"], "weight": KINDS["tiny"]},
}
COLUMNS = ("height", "weight")
OUTPUTS: tuple[Output, ...] = ("x", "log_prob", "z")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, kinds in MODELS.items():
        publish(folder / name / "1", kinds)
    affine.copy_to(folder, "plain")
    return folder


@pytest.fixture(scope="module", params=["onnx", "torchscript"])
def app(models: Path, request: pytest.FixtureRequest) -> Iterator[App]:
    # Chunks so small that requests are split.
    with App(Settings(models=models, engine=request.param, chunk_rows=7)) as running:
        yield running


def post(app: App, path: str, **body: object) -> dict[str, list[object]]:
    response = app.post(path, json=body)
    assert response.status_code == 200, response.text
    content: dict[str, list[object]] = response.json()
    return content


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("name", MODELS)
def test_a_sample_is_inside_the_bounds_and_has_the_log_prob_of_its_rows(
    app: App, name: str, temperature: float
) -> None:
    drawn = post(app, "/sample", model=name, num_samples=200, seed=3, temperature=temperature, **{"return": OUTPUTS})
    x = np.array(drawn["x"], np.float64)
    assert np.array(drawn["z"], np.float32).tobytes() == base.draw(3, 0, 200, 2, temperature).tobytes()
    scored = post(app, "/log_prob", model=name, x=drawn["x"])
    assert "invalid_rows" not in scored
    mapped = ColumnMap.of(COLUMNS, MODELS[name])
    np.testing.assert_allclose(np.array(scored["log_prob"], float), log_prob(mapped, x), rtol=1e-4, atol=1e-4)
    if temperature == 1 and name == "snapped":
        assert drawn["log_prob"] == scored["log_prob"]
    image = post(app, "/transform", model=name, direction="forward", x=drawn["x"])
    z = np.array(image["z"], np.float64)
    nats = base.log_prob(z, temperature) + np.array(image[LOG_ABS_DET_JACOBIAN], float)
    np.testing.assert_allclose(np.array(drawn["log_prob"], float), nats, rtol=1e-3, atol=1e-3)


def test_samples_are_whole_where_whole_and_exactly_the_atom(app: App) -> None:
    x = np.array(post(app, "/sample", model="snapped", num_samples=500, seed=4)["x"], np.float64)
    np.testing.assert_array_equal(x[:, 0], np.rint(x[:, 0]))
    assert (x >= 0).all()
    assert 20 < np.count_nonzero(x[:, 1] == 0) < 480
    assert len(np.unique(x[:, 1])) > 100


def test_forward_and_inverse_of_a_snapped_row_undo_each_other_exactly(app: App) -> None:
    x = post(app, "/sample", model="snapped", num_samples=50, seed=5)["x"]
    image = post(app, "/transform", model="snapped", direction="forward", x=x)
    back = post(app, "/transform", model="snapped", direction="inverse", z=image["z"])
    assert back["x"] == x
    ladj = np.array(image[LOG_ABS_DET_JACOBIAN], np.float32)
    assert np.array(back[LOG_ABS_DET_JACOBIAN], np.float32).tobytes() == (-ladj).tobytes()


def test_a_row_of_density_zero_has_no_answer_and_its_reason(app: App) -> None:
    rows = [[1, 0], [1.5, 0], [-1, 2], [2, -0.1], [None, 1], [3, 1.25]]
    content = post(app, "/log_prob", model="snapped", x=rows)
    assert [value is None for value in content["log_prob"]] == [False, True, True, True, True, False]
    assert content["invalid_rows"] == [
        {"row": 1, "reason": "not_a_whole_number"},
        {"row": 2, "reason": "outside_bounds"},
        {"row": 3, "reason": "outside_bounds"},
        {"row": 4, "reason": "non_finite_input"},
    ]
    image = post(app, "/transform", model="snapped", direction="forward", x=rows)
    assert image["invalid_rows"] == content["invalid_rows"]
    problem = app.post("/log_prob", json={"model": "snapped", "x": rows, "on_invalid": "error"})
    assert problem.status_code == 422
    assert problem.json()["errors"][0] == {"pointer": "/x/1", "detail": "not_a_whole_number"}


def test_numbers_that_float32_cannot_hold_have_a_density(app: App) -> None:
    content = post(app, "/log_prob", model="extreme", x=[[3e44, 5e-51], [1e300, 5e-51]])
    expected = log_prob(ColumnMap.of(COLUMNS, MODELS["extreme"]), np.array([[3e44, 5e-51]]))
    np.testing.assert_allclose(np.array(content["log_prob"][0], float), expected[0], rtol=1e-5)
    assert content["invalid_rows"] == [{"row": 1, "reason": "non_finite_output"}]


@pytest.mark.parametrize("name", MODELS)
def test_pages_of_a_sample_have_the_bytes_of_the_whole(app: App, name: str) -> None:
    address = f"/sample?model={name}&seed=9&format=ndjson&return=x,log_prob"
    whole = app.post(f"{address}&num_samples=40").content.splitlines()
    pages = [app.post(f"{address}&num_samples={count}&start={start}") for start, count in ((0, 1), (1, 30), (31, 9))]
    assert [line for page in pages for line in page.content.splitlines()][-9:] == whole[-9:]


def test_metadata_show_the_kinds(app: App) -> None:
    newest = app.get("/models/snapped").json()["newest"]
    kinds = {name: kind.model_dump(mode="json") for name, kind in MODELS["snapped"].items()}
    assert (newest["kinds"], newest["dtype"]) == (kinds, "float64")
    assert newest["mass_error"] == MASS_ERROR.model_dump()
    described = app.get("/v2/models/snapped").json()
    assert described["parameters"] == {"kinds": kinds}
    assert described["inputs"][0]["datatype"] == "FP64"
    plain = app.get("/models/plain").json()["newest"]
    assert (plain["kinds"], plain["mass_error"], plain["dtype"]) == ({}, None, "float32")
    assert "parameters" not in app.get("/v2/models/plain").json()


def test_the_open_inference_protocol_answers_the_same(app: App) -> None:
    drawn = post(app, "/sample", model="snapped", num_samples=9, seed=3, **{"return": ["x", "log_prob"]})
    x = np.array(drawn["x"], np.float64)
    answer = v2.infer(app, "snapped", v2.body(v2.tensor("x", x, "FP64")))
    np.testing.assert_array_equal(answer.tensors["log_prob"], np.array(drawn["log_prob"], np.float32))


@pytest.mark.parametrize("name", MODELS)
def test_a_local_model_computes_the_same_and_its_samples_have_the_log_prob_of_their_rows(
    models: Path, name: str
) -> None:
    local = open_bundle(models / name / "1", name, 1)
    x, nats = local.sample_and_log_prob(3000, seed=3)
    assert not np.isnan(x).any()
    if name == "snapped":
        assert local.log_prob(x).tobytes() == nats.tobytes()
    with App(Settings(models=models)) as app:
        drawn = post(app, "/sample", model=name, num_samples=50, seed=3, **{"return": ["x", "log_prob"]})
    np.testing.assert_array_equal(np.array(drawn["x"], np.float64), x[:50])
    np.testing.assert_array_equal(np.array(drawn["log_prob"], np.float32), nats[:50])
    for temperature in (0.5, 2.0):
        tempered = local.draw(100, seed=3, start=0, temperature=temperature, outputs=OUTPUTS)
        z, ladj = local.transform(tempered["x"], "forward")
        expected = base.log_prob(z, temperature) + ladj
        np.testing.assert_allclose(tempered["log_prob"], expected, rtol=1e-3, atol=1e-3)


def test_a_client_describes_the_kinds(models: Path) -> None:
    with App(Settings(models=models)) as app, Client(transport=AppTransport(app)) as client:
        newest = client.model("snapped").describe()["newest"]
    assert isinstance(newest, dict)
    assert newest["kinds"]["height"] == {"integer": True, "low": 0.0}


def test_the_canary_accepts_right_numbers_of_every_model(models: Path) -> None:
    loaded = repository.load(Settings(models=models, threads=1), ThreadPoolExecutor(1))
    asyncio.run(Canary(loaded).check())
    assert loaded.ready
    for name in MODELS:
        error = loaded.error(name, 1)
        assert error is not None
        assert error < 1e-5


def load(bundle: Bundle) -> None:
    with ThreadPoolExecutor(1) as executor:
        model_loader.load(bundle, "changed", 1, Settings(), executor)


CHANGED: Mapping[str, tuple[str, ColumnKind, str]] = {
    "another width": (
        "snapped", ColumnKind.model_validate({"low": 0.0, "atoms": ({"value": 0.0, "width": 0.5},)}), "log_prob|x "
    ),
    "whole numbers for continuous ones": ("bounded", ColumnKind(integer=True, low=0.0, high=1.0), "not whole"),
    "other bounds": ("bounded", ColumnKind(low=0.5, high=1.0), "outside of the bounds"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "words"), CHANGED.values(), ids=CHANGED.keys())
def test_a_bundle_whose_kinds_are_not_those_of_its_golden_rows_is_refused(
    models: Path, name: str, kind: ColumnKind, words: str
) -> None:
    bundle = read(models / name / "1")
    load(bundle)
    kinds = {**bundle.manifest.kinds, "weight" if name == "snapped" else "height": kind}
    changed = replace(bundle, manifest=bundle.manifest.model_copy(update={"kinds": kinds}))
    with pytest.raises(BundleError, match=words):
        load(changed)
    with pytest.raises(BundleError):
        LocalModel(changed, "changed", 1)


NUMBERS = [
    ("height", "low"), ("weight", "low"), ("weight", "atoms", 0, "value"), ("weight", "atoms", 0, "width"),
]  # fmt: skip


@pytest.mark.parametrize("path", NUMBERS, ids=lambda path: " ".join(map(str, path)))
def test_no_number_of_a_kind_can_be_changed_without_notice(
    models: Path, tmp_path: Path, path: tuple[str | int, ...]
) -> None:
    folder = Path(shutil.copytree(models / "snapped" / "1", tmp_path / "1"))
    content = json.loads((folder / "manifest.json").read_bytes())
    number = value_at(content, "kinds", *path)
    assert isinstance(number, float)
    for changed in (number - 1.0, number + 0.05, number * 1.1 + 1.0, 1e300, -1e300, 1e-300):
        reseal(folder, put("kinds", *path, value=changed))
        with pytest.raises(BundleError) as refusal:
            load(read(folder))
        assert str(refusal.value).isprintable()
