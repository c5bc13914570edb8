"""Every runtime gives the same numbers behind the one verb, or says in a sentence why it cannot."""

import numpy as np
import onnxruntime
import pytest
import torch

from diffeo.bundle.read import read
from diffeo.runtime.engines import ENGINES
from diffeo.runtime.engines.io_binding import BoundEngine, sizes
from diffeo.runtime.engines.onnx import OnnxEngine, open_session
from diffeo.runtime.engines.options import EngineOptions
from diffeo.runtime.errors import EngineFailed, ProviderMissing
from tests.given.flows import affine

CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
FILES = read(affine.PATH).files
X = np.random.default_rng(1).standard_normal((50, 2)).astype(np.float32) * 10


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_gives_the_numbers_known_by_hand(name: str) -> None:
    forward, inverse = ENGINES[name](FILES, EngineOptions())
    there, back = forward.run({"x": X}), inverse.run({"z": X})
    np.testing.assert_allclose(there["z"], affine.forward(X), rtol=1e-5)
    np.testing.assert_allclose(back["x"], affine.inverse(X), rtol=1e-5)
    np.testing.assert_allclose(there["log_prob"], affine.log_prob(X), rtol=1e-5)
    np.testing.assert_allclose(back["log_prob"], affine.log_prob(affine.inverse(X)), rtol=1e-5)
    np.testing.assert_allclose(there["log_abs_det_jacobian"], np.full(50, affine.LADJ), rtol=1e-6)
    np.testing.assert_allclose(back["log_abs_det_jacobian"], np.full(50, -affine.LADJ), rtol=1e-6)


def test_onnx_and_torchscript_agree() -> None:
    answers = [ENGINES[name](FILES, EngineOptions())[0].run({"x": X}) for name in ("onnx", "torchscript")]
    assert list(answers[0]) == list(answers[1])
    for name, tensor in answers[0].items():
        assert tensor.dtype == answers[1][name].dtype == np.float32
        np.testing.assert_allclose(tensor, answers[1][name], rtol=1e-6)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_takes_rows_that_it_may_not_write_to(name: str) -> None:
    rows = np.frombuffer(X.tobytes(), np.float32).reshape(X.shape)
    assert not rows.flags.writeable
    assert ENGINES[name](FILES, EngineOptions())[0].run({"x": rows})["z"].shape == X.shape


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_fails_with_a_sentence_on_rows_of_another_width(name: str) -> None:
    with pytest.raises(EngineFailed, match="failed on 50 rows"):
        ENGINES[name](FILES, EngineOptions())[0].run({"x": np.ones((50, 3), np.float32)})


@pytest.mark.parametrize("name", ENGINES)
def test_a_graph_that_the_runtime_cannot_read_is_refused(name: str) -> None:
    kind = "forward.onnx" if name == "onnx" else "forward.ts"
    with pytest.raises(EngineFailed, match="refused"):
        ENGINES[name]({**FILES, kind: b"nonsense"}, EngineOptions())


def test_torchscript_is_refused_to_a_bundle_without_its_graphs() -> None:
    plain = {name: content for name, content in FILES.items() if not name.endswith(".ts")}
    with pytest.raises(EngineFailed, match=r"no TorchScript graphs; fit it with --torchscript or .* engine onnx"):
        ENGINES["torchscript"](plain, EngineOptions())


@pytest.mark.skipif(CUDA, reason="this machine has cuda")
def test_onnx_names_the_package_that_cuda_needs() -> None:
    with pytest.raises(ProviderMissing, match=r"cuda needs onnxruntime-gpu \(pip .*\); here there is: cpu"):
        ENGINES["onnx"](FILES, EngineOptions(execution_providers=("cuda", "cpu")))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has cuda")
def test_torchscript_says_that_torch_sees_no_cuda() -> None:
    with pytest.raises(ProviderMissing, match="torch sees no CUDA device"):
        ENGINES["torchscript"](FILES, EngineOptions(execution_providers=("cuda",)))


@pytest.mark.parametrize(
    ("largest", "expected"), [(1, [16]), (16, [16]), (17, [16, 17]), (64, [16, 64]), (1000, [16, 64, 256, 1000])]
)
def test_buckets_grow_by_a_factor_and_the_last_holds_a_chunk(largest: int, expected: list[int]) -> None:
    assert sizes(largest) == expected


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not CUDA, reason="no CUDA execution provider here"))]


@pytest.fixture(params=DEVICES)
def bound(request: pytest.FixtureRequest) -> BoundEngine:
    providers = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider"]}[request.param]
    return BoundEngine(open_session("forward.onnx", FILES["forward.onnx"], providers), request.param, 50, 2)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 50])
def test_buffers_on_a_device_change_no_answer(bound: BoundEngine, rows: int) -> None:
    session = open_session("forward.onnx", FILES["forward.onnx"], ["CPUExecutionProvider"])
    expected = OnnxEngine(session).run({"x": X[:rows]})
    # Twice, from the far end first: what a buffer held before must not be seen.
    bound.run({"x": X[-rows:]})
    for name, tensor in bound.run({"x": X[:rows]}).items():
        np.testing.assert_allclose(tensor, expected[name], rtol=1e-6)
        assert tensor.dtype == expected[name].dtype


def test_an_answer_from_a_device_is_not_overwritten_by_the_next(bound: BoundEngine) -> None:
    first = bound.run({"x": X})["z"]
    kept = first.copy()
    bound.run({"x": -X})
    bound.run({"x": -X})
    np.testing.assert_array_equal(first, kept)


def test_a_device_fails_with_a_sentence_and_serves_on(bound: BoundEngine) -> None:
    for _ in range(3):
        with pytest.raises(EngineFailed, match="failed on 50 rows"):
            bound.run({"x": np.ones((50, 3), np.float32)})
    assert bound.run({"x": X})["z"].shape == X.shape
