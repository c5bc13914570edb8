"""Everything below /v2 but inference: health, metadata, configuration, index, statistics and errors."""

from collections.abc import Iterator
from typing import TypedDict

import numpy as np
import pytest

from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.service.settings import Settings
from tests.given.clients import v2_client as v2
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

MODELS = ["affine2d", "affine2d.sample", "affine2d.forward", "affine2d.inverse"]
ROWS = {"datatype": "FP32", "shape": [-1, 2]}
VECTOR = {"datatype": "FP32", "shape": [-1]}
TENSORS = {
    "affine2d": ([{"name": "x", **ROWS}], [{"name": "log_prob", **VECTOR}]),
    "affine2d.forward": ([{"name": "x", **ROWS}], [{"name": "z", **ROWS}, {"name": LOG_ABS_DET_JACOBIAN, **VECTOR}]),
    "affine2d.inverse": ([{"name": "z", **ROWS}], [{"name": "x", **ROWS}, {"name": LOG_ABS_DET_JACOBIAN, **VECTOR}]),
    "affine2d.sample": (
        [{"name": "num_samples", "datatype": "INT64", "shape": [1]}],
        [{"name": "x", **ROWS}, {"name": "log_prob", **VECTOR}, {"name": "z", **ROWS}],
    ),
}
EIGHT = {
    "success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"
}  # fmt: skip


@pytest.fixture(scope="module")
def partly_refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One model with a refused second version, and one model whose only version is refused."""
    models = tmp_path_factory.mktemp("models")
    affine.copy_to(models)
    for name, version in (("affine2d", 2), ("broken", 1)):
        (affine.copy_to(models, name, version) / "golden.npy").unlink()
    with App(Settings(models=models)) as running:
        yield running


def test_health_has_the_status_and_the_fields_that_clients_read(app: App) -> None:
    for path in ("/v2/health/live", "/v2/health/ready"):
        response = app.get(path)
        assert (response.status_code, response.json()) == (200, {"live": True, "ready": True})
        assert app.request("HEAD", path).status_code == 200


def test_a_model_without_a_served_version_is_not_ready_and_the_server_is_ready_for_the_others(
    partly_refused: App,
) -> None:
    assert (partly_refused.get("/v2/health/live").status_code, partly_refused.get("/v2/health/ready").status_code) == (
        200,
        200,
    )
    assert partly_refused.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert partly_refused.get("/v2/models/affine2d/ready").json() == {"name": "affine2d", "ready": True}
    for path in ("/v2/models/broken/ready", "/v2/models/broken.sample", "/v2/models/affine2d/versions/2/ready"):
        status, sentence = v2.error(partly_refused.get(path))
        assert (status, "was refused: " in sentence) == (503, True)
    assert v2.error(partly_refused.get("/v2/models/absent/ready"))[0] == 404


def test_the_server_lists_exactly_the_extensions_that_it_implements(app: App) -> None:
    content = app.get("/v2").json()
    assert content["name"] == "diffeo"
    assert content["extensions"] == ["binary_tensor_data", "model_configuration", "parameters", "statistics"]


def test_every_protocol_model_of_every_flow_is_listed(app: App) -> None:
    assert app.get("/v2/models").json() == {"models": MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_metadata_name_the_tensors(app: App, model: str) -> None:
    inputs, outputs = TENSORS[model]
    expected = {
        "name": model, "versions": ["1"], "platform": "onnx_onnxv1", "inputs": inputs, "outputs": outputs
    }  # fmt: skip
    assert app.get(f"/v2/models/{model}").json() == app.get(f"/v2/models/{model}/versions/1").json() == expected


@pytest.mark.parametrize("model", MODELS)
def test_answers_have_the_tensors_that_the_metadata_describe(app: App, model: str) -> None:
    metadata = app.get(f"/v2/models/{model}").json()
    (source,) = metadata["inputs"]
    shape = [3 if size == -1 else size for size in source["shape"]]
    values = np.full(shape, 3 if model.endswith("sample") else 0.5)
    answer = v2.infer(app, model, v2.body(v2.tensor(source["name"], values, source["datatype"])))
    for output, described in zip(answer.head["outputs"], metadata["outputs"], strict=True):
        assert (output["name"], output["datatype"]) == (described["name"], described["datatype"])
        assert output["shape"] == [3 if size == -1 else size for size in described["shape"]]


def test_metadata_list_the_versions_that_are_served(partly_refused: App) -> None:
    assert partly_refused.get("/v2/models/affine2d").json()["versions"] == ["1"]


@pytest.mark.parametrize("model", MODELS)
def test_the_configuration_has_the_tensors_and_the_largest_batch(app: App, model: str) -> None:
    config = app.get(f"/v2/models/{model}/config").json()
    assert config["name"] == model
    batches = config["max_batch_size"] > 0
    assert batches == ("dynamic_batching" in config) == (model != "affine2d.sample")
    for kind, key in (("input", "inputs"), ("output", "outputs")):
        for one, tensor in zip(config[kind], app.get(f"/v2/models/{model}").json()[key], strict=True):
            assert one["data_type"] == f"TYPE_{tensor['datatype']}"
            assert [-1] * batches + one["dims"] == tensor["shape"]


def test_the_index_lists_every_version_and_why_some_are_not_served(partly_refused: App) -> None:
    index = partly_refused.post("/v2/repository/index").json()
    assert {entry["name"] for entry in index} == {
        *MODELS,
        "broken",
        "broken.sample",
        "broken.forward",
        "broken.inverse",
    }
    assert index == partly_refused.post("/v2/repository/index", json={}).json()
    for entry in index:
        served = (entry["name"].split(".")[0], entry["version"]) == ("affine2d", "1")
        assert entry["state"] == ("READY" if served else "UNAVAILABLE")
        assert bool(entry["reason"]) != served
    ready = partly_refused.post("/v2/repository/index", json={"ready": True}).json()
    assert [entry["name"] for entry in ready] == MODELS


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"ready": 1}', b'{"ready": "yes"}'])
def test_a_wrong_body_for_the_index_is_an_error(app: App, body: bytes) -> None:
    assert v2.error(app.post("/v2/repository/index", content=body))[0] == 400


@pytest.mark.parametrize("action", ["load", "unload"])
def test_requests_cannot_load_or_unload_models(app: App, action: str) -> None:
    status, sentence = v2.error(app.post(f"/v2/repository/models/affine2d/{action}", json={}))
    assert (status, "folder" in sentence) == (400, True)


class Sum(TypedDict):
    """Number and total duration of one phase."""

    count: int
    ns: int


class Statistics(TypedDict):
    """The statistics of one version, as far as the tests read them."""

    inference_count: int
    execution_count: int
    last_inference: int
    inference_stats: dict[str, Sum]


def statistics(app: App, path: str) -> Statistics:
    entry: Statistics
    (entry,) = app.get(path).json()["model_stats"]
    return entry


def test_statistics_are_sums_since_the_start() -> None:
    with App(Settings(models=affine.DATA)) as fresh:
        before = statistics(fresh, "/v2/models/affine2d/stats")
        assert before["last_inference"] == before["inference_count"] == 0
        for rows in (1, 3):
            v2.infer(fresh, "affine2d", v2.body(v2.tensor("x", np.zeros((rows, 2)))))
        fresh.post("/v2/models/affine2d/infer", content=b"{")
        after = statistics(fresh, "/v2/models/affine2d/versions/1/stats")
        sums = after["inference_stats"]
        assert (after["inference_count"], after["execution_count"]) == (4, 2)
        assert after["last_inference"] > 1e12
        assert set(sums) == EIGHT
        assert {name: entry["count"] for name, entry in sums.items()} == {
            "success": 2, "fail": 1, "queue": 2, "compute_input": 2, "compute_infer": 2, "compute_output": 2,
            "cache_hit": 0, "cache_miss": 0,
        }  # fmt: skip
        parts = ("queue", "compute_input", "compute_infer", "compute_output")
        assert sums["success"]["ns"] == sum(sums[name]["ns"] for name in parts) > 0
        assert sums["fail"]["ns"] > 0
        untouched = statistics(fresh, "/v2/models/affine2d.sample/stats")
        assert untouched["inference_stats"]["success"] == {"count": 0, "ns": 0}


def test_statistics_of_all_models_have_every_served_version(partly_refused: App) -> None:
    entries = partly_refused.get("/v2/models/stats").json()["model_stats"]
    assert [(entry["name"], entry["version"]) for entry in entries] == [(name, "1") for name in MODELS]


MISSING = {
    "nothing": ("GET", "/v2/", 404),
    "no such path": ("GET", "/v2/nowhere", 404),
    "too deep": ("GET", "/v2/models/affine2d/versions/1/infer/more", 404),
    "a slash at the end": ("GET", "/v2/models/affine2d/", 404),
    "no name": ("GET", "/v2/models//ready", 404),
    "no such action": ("GET", "/v2/models/affine2d/explain", 404),
    "shared memory": ("GET", "/v2/systemsharedmemory/status", 404),
    "a path for a name": ("GET", "/v2/models/..%2f..%2fetc%2fpasswd", 404),
    "a long name": ("GET", f"/v2/models/{'A' * 5000}", 404),
    "a long path": ("GET", f"/v2/{'A' * 5000}", 404),
    "another method": ("GET", "/v2/models/affine2d/infer", 405),
    "another method for a page": ("POST", "/v2/models/affine2d", 405),
    "another method for health": ("DELETE", "/v2/health/live", 405),
    "another method for the index": ("GET", "/v2/repository/index", 405),
    "a body for the index that is large": ("POST", "/v2/repository/index", 413),
}


@pytest.mark.parametrize(("method", "path", "status"), MISSING.values(), ids=MISSING.keys())
def test_an_unknown_path_or_method_is_an_error_of_the_protocol(app: App, method: str, path: str, status: int) -> None:
    response = app.request(method, path, content=b" " * 100_000 if status == 413 else b"")
    got, sentence = v2.error(response)
    assert got == status
    assert (status == 405) == ("allow" in response.headers)
    for secret in ("A" * 65, "etc", "passwd", str(affine.DATA)):
        assert secret not in sentence


def test_a_path_that_only_begins_with_v2_belongs_to_the_native_api(app: App) -> None:
    for path in ("/v2x", "/v3", "/"):
        assert app.get(path).headers["content-type"] == "application/problem+json"
