"""The exported graphs compute the flow for any batch size; each is one file without random operators."""

import io
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch

from diffeo.bundle.manifest import Dtype
from diffeo.training import export
from diffeo.training.errors import ExportError
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.standardise import Standardise
from diffeo.training.graph_session import Graph

SHAPES = [(2, 0, "float32"), (2, 3, "float32"), (5, 2, "float32"), (2, 2, "float64")]


def trained(dimension: int, layers: int, dtype: Dtype) -> Flow:
    torch.manual_seed(1)
    wire = export.TORCH_TYPE[dtype]
    mean = torch.full((dimension,), 1e9 if dtype == "float64" else 3.0, dtype=wire)
    flow = Architecture(dimension, layers, 16, 2, AffineCouplingSpec(limit=2.0)).build(
        mean, torch.full((dimension,), 2.0, dtype=wire)
    )
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return flow.requires_grad_(requires_grad=False)


@pytest.mark.parametrize(("dimension", "layers", "dtype"), SHAPES)
def test_both_graphs_compute_the_numbers_of_the_flow_for_any_batch(dimension: int, layers: int, dtype: Dtype) -> None:
    flow = trained(dimension, layers, dtype)
    forward, inverse = (Graph(content) for content in export.to_onnx(flow, dimension, dtype))
    for batch in (1, 2, 7, 1000):
        z = torch.randn(batch, dimension)
        x, ladj = flow.inverse(z)
        answer = inverse.run(z.numpy())
        assert answer["x"].dtype == np.dtype(dtype)
        np.testing.assert_allclose(answer["x"], x.numpy(), rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(answer["log_abs_det_jacobian"], ladj.numpy(), atol=1e-4)
        back = forward.run(x.numpy())
        np.testing.assert_allclose(back["z"], z.numpy(), atol=1e-3)
        np.testing.assert_allclose(back["log_prob"], flow.log_prob(x).numpy(), atol=1e-3)
        np.testing.assert_allclose(answer["log_prob"], back["log_prob"], atol=1e-2)


@pytest.mark.parametrize("dimension", [2, 3, 5, 7, 10])
def test_the_bits_of_a_row_do_not_depend_on_its_position_or_its_batch(dimension: int) -> None:
    graphs = [Graph(content) for content in export.to_onnx(trained(dimension, 3, "float32"), dimension, "float32")]
    rows = torch.randn(1100, dimension).numpy()
    for graph in graphs:
        whole = graph.run(rows, block=2000)
        for start, size in ((0, 1), (1, 2), (3, 7), (5, 64), (5, 777), (1, 1000)):
            part = graph.run(rows[start : start + size].copy(), block=2000)
            assert all(np.array_equal(part[name], whole[name][start : start + size]) for name in whole)


def test_a_graph_is_one_file_without_local_paths() -> None:
    for content in export.to_onnx(trained(2, 2, "float32"), 2, "float32"):
        model = onnx.load_from_string(content)
        assert not any(tensor.external_data for tensor in model.graph.initializer)
        assert not any("Random" in node.op_type for node in model.graph.node)
        assert b".py" not in content
        assert b"/" not in b"".join(node.doc_string.encode() for node in model.graph.node)


def test_the_same_flow_gives_the_same_bytes() -> None:
    flow = trained(2, 2, "float32")
    assert export.to_onnx(flow, 2, "float32") == export.to_onnx(flow, 2, "float32")


def test_torchscript_computes_the_same_and_holds_no_local_paths() -> None:
    flow = trained(3, 2, "float32")
    forward, inverse = export.to_torchscript(flow, 3, "float32")
    z = torch.randn(9, 3)
    x, ladj, log_prob = _load_script(inverse)(z)
    torch.testing.assert_close((x, ladj), flow.inverse(z))
    torch.testing.assert_close(_load_script(forward)(x)[2], log_prob, rtol=1e-3, atol=1e-3)
    assert b"training/flows" not in forward + inverse
    assert b"debug_pkl" not in forward + inverse


def _load_script(content: bytes) -> Callable[[torch.Tensor], tuple[torch.Tensor, ...]]:
    script: torch.jit.ScriptModule = torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call]  # torch's
    return script


class Branching(Flow):
    """A flow whose control flow depends on the data, which no exporter supports."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (x, x.sum(-1)) if float(x.sum()) > 0 else (-x, -x.sum(-1))


def test_a_flow_that_cannot_be_exported_is_refused() -> None:
    flow = Branching([Standardise(torch.zeros(2), torch.ones(2))])
    with pytest.raises(ExportError, match="refused the graph"):
        export.to_onnx(flow, 2, "float32")


def test_a_graph_with_a_fixed_batch_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = trained(2, 1, "float32")
    true_export = torch.onnx.export
    monkeypatch.setattr(
        torch.onnx, "export", lambda *given, **options: true_export(*given, **{**options, "dynamic_shapes": None})
    )
    with pytest.raises(ExportError, match="batches of 4 only"):
        export.to_onnx(flow, 2, "float32")
