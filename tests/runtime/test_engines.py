"""Every engine computes the same numbers, or raises an error whose sentence names the cause."""

import numpy as np
import onnxruntime
import pytest
import torch

from diffeo.bundle.manifest import FileName
from diffeo.bundle.read import read
from diffeo.runtime.engines import ENGINES
from diffeo.runtime.engines.io_binding import BoundEngine, bucket_sizes
from diffeo.runtime.engines.onnx import OnnxEngine, open_session
from diffeo.runtime.engines.options import EngineOptions
from diffeo.runtime.errors import EngineFailed, ProviderMissing
from tests.given.flows import affine

CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
FILES = read(affine.PATH).files
X = np.random.default_rng(1).standard_normal((50, 2)).astype(np.float32) * 10


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_computes_the_numbers_known_by_hand(name: str) -> None:
    forward, inverse = ENGINES[name](FILES, EngineOptions())
    from_x, from_z = forward.run({"x": X}), inverse.run({"z": X})
    np.testing.assert_allclose(from_x["z"], affine.forward(X), rtol=1e-5)
    np.testing.assert_allclose(from_z["x"], affine.inverse(X), rtol=1e-5)
    np.testing.assert_allclose(from_x["log_prob"], affine.log_prob(X), rtol=1e-5)
    np.testing.assert_allclose(from_z["log_prob"], affine.log_prob(affine.inverse(X)), rtol=1e-5)
    np.testing.assert_allclose(from_x["log_abs_det_jacobian"], np.full(50, affine.LADJ), rtol=1e-6)
    np.testing.assert_allclose(from_z["log_abs_det_jacobian"], np.full(50, -affine.LADJ), rtol=1e-6)


def test_onnx_and_torchscript_agree() -> None:
    answers = [ENGINES[name](FILES, EngineOptions())[0].run({"x": X}) for name in ("onnx", "torchscript")]
    assert list(answers[0]) == list(answers[1])
    for name, tensor in answers[0].items():
        assert tensor.dtype == answers[1][name].dtype == np.float32
        np.testing.assert_allclose(tensor, answers[1][name], rtol=1e-6)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_accepts_read_only_rows(name: str) -> None:
    rows = np.frombuffer(X.tobytes(), np.float32).reshape(X.shape)
    assert not rows.flags.writeable
    assert ENGINES[name](FILES, EngineOptions())[0].run({"x": rows})["z"].shape == X.shape


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_raises_engine_failed_on_rows_of_another_width(name: str) -> None:
    with pytest.raises(EngineFailed, match="failed on 50 rows"):
        ENGINES[name](FILES, EngineOptions())[0].run({"x": np.ones((50, 3), np.float32)})


@pytest.mark.parametrize("name", ENGINES)
def test_a_graph_that_the_runtime_cannot_load_is_an_error(name: str) -> None:
    file: FileName = "forward.onnx" if name == "onnx" else "forward.ts"
    with pytest.raises(EngineFailed, match="cannot load"):
        ENGINES[name]({**FILES, file: b"nonsense"}, EngineOptions())


def test_torchscript_refuses_a_bundle_without_torchscript_graphs() -> None:
    plain = {name: content for name, content in FILES.items() if not name.endswith(".ts")}
    with pytest.raises(EngineFailed, match=r"no TorchScript graphs; fit it with --torchscript or .* engine onnx"):
        ENGINES["torchscript"](plain, EngineOptions())


@pytest.mark.skipif(CUDA, reason="this machine has cuda")
def test_onnx_names_the_missing_package_for_cuda() -> None:
    with pytest.raises(ProviderMissing, match=r"cuda needs onnxruntime-gpu \(pip .*\); installed here: cpu"):
        ENGINES["onnx"](FILES, EngineOptions(execution_providers=("cuda", "cpu")))


def test_a_gpu_computes_float32_products_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[list[str], list[dict[str, str]]]] = []

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]  # onnxruntime is untyped
        def __init__(
            self, content: bytes, options: object, providers: list[str], provider_options: list[dict[str, str]]
        ) -> None:
            opened.append((providers, provider_options))
            super().__init__(content, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    with pytest.raises(ProviderMissing):
        open_session("forward.onnx", FILES["forward.onnx"], ["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert opened == [(["CUDAExecutionProvider", "CPUExecutionProvider"], [{"use_tf32": "0"}, {}])]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has cuda")
def test_torchscript_says_that_torch_finds_no_cuda_device() -> None:
    with pytest.raises(ProviderMissing, match="torch finds no CUDA device"):
        ENGINES["torchscript"](FILES, EngineOptions(execution_providers=("cuda",)))


@pytest.mark.parametrize(
    ("largest", "expected"), [(1, [16]), (16, [16]), (17, [16, 17]), (64, [16, 64]), (1000, [16, 64, 256, 1000])]
)
def test_bucket_sizes_grow_by_a_factor_and_the_last_holds_a_chunk(largest: int, expected: list[int]) -> None:
    assert bucket_sizes(largest) == expected


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not CUDA, reason="no CUDA execution provider here"))]


@pytest.fixture(params=DEVICES)
def bound(request: pytest.FixtureRequest) -> BoundEngine:
    providers = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider"]}[request.param]
    return BoundEngine(open_session("forward.onnx", FILES["forward.onnx"], providers), request.param, 50, 2)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 50])
def test_buffers_on_a_device_change_no_result(bound: BoundEngine, rows: int) -> None:
    session = open_session("forward.onnx", FILES["forward.onnx"], ["CPUExecutionProvider"])
    expected = OnnxEngine(session).run({"x": X[:rows]})
    # Other rows first: the old content of the buffers must not appear in the next result.
    bound.run({"x": X[-rows:]})
    for name, tensor in bound.run({"x": X[:rows]}).items():
        np.testing.assert_allclose(tensor, expected[name], rtol=1e-6)
        assert tensor.dtype == expected[name].dtype


def test_a_result_from_a_device_is_not_overwritten_by_the_next_call(bound: BoundEngine) -> None:
    first = bound.run({"x": X})["z"]
    copy = first.copy()
    bound.run({"x": -X})
    bound.run({"x": -X})
    np.testing.assert_array_equal(first, copy)


def test_a_device_computes_again_after_a_failure(bound: BoundEngine) -> None:
    for _ in range(3):
        with pytest.raises(EngineFailed, match="failed on 50 rows"):
            bound.run({"x": np.ones((50, 3), np.float32)})
    assert bound.run({"x": X})["z"].shape == X.shape
