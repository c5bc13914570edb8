"""Exports a flow as two ONNX graphs, forward and inverse, without random operators.

The base distribution is not in the graphs: the service draws z, so a seed gives the same z on every engine.
"""

import copy
import io
import logging
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import onnx
import torch
from torch import Tensor, nn

from diffeo.bundle.manifest import Dtype

from .background import in_background
from .errors import ExportError
from .flows.conditioner import Conditioner
from .flows.flow import Flow

OPSET: Final = 20
# torch.export treats a batch of 0 or 1 as a constant.
EXAMPLE_ROWS: Final = 4
TORCH_TYPE: Final[dict[Dtype, torch.dtype]] = {"float32": torch.float32, "float64": torch.float64}


class ForwardGraph(nn.Module):
    """x -> z, log|det dz/dx|, log p(x); the outputs are float32 in every precision."""

    names = ("x", "z", "log_abs_det_jacobian", "log_prob")

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, D] -> z [B, D], [B], [B]."""
        z, ladj = self.flow.forward(x)
        log_prob = self.flow.base.log_prob(z) + ladj
        return z.float(), ladj.float(), log_prob.float()


class InverseGraph(nn.Module):
    """z -> x, log|det dx/dz|, log p(x) of that x; x has the type `dtype`, everything else on the wire is float32."""

    names = ("z", "x", "log_abs_det_jacobian", "log_prob")

    def __init__(self, flow: Flow, dtype: torch.dtype, rows: torch.dtype) -> None:
        super().__init__()
        self.flow = flow
        self.dtype = dtype
        self.rows = rows

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z [B, D] -> x [B, D], [B], [B]."""
        z = z.to(self.rows)
        x, ladj = self.flow.inverse(z)
        log_prob = self.flow.base.log_prob(z) - ladj
        return x.to(self.dtype), ladj.float(), log_prob.float()


Graph = ForwardGraph | InverseGraph


def to_onnx(
    flow: Flow, dimension: int, dtype: Dtype, precision: Dtype = "float32", rows: Dtype | None = None
) -> tuple[bytes, bytes]:
    """The bytes of forward.onnx and inverse.onnx.

    Args:
        flow: the flow, in the types that it was trained in.
        dimension: D.
        dtype: type of x on the wire.
        precision: type that the graphs compute in; it does not change the types on the wire.
        rows: type of the rows between two transforms; None for the precision.

    Raises:
        ExportError: the exporter failed, or it fixed the batch size.
    """
    first, second = _graphs(flow, dimension, dtype, precision, rows)
    with in_background(lambda: _one_graph(*first)) as content:
        inverse = _one_graph(*second)
    return content(), inverse


def to_torchscript(
    flow: Flow, dimension: int, dtype: Dtype, precision: Dtype = "float32", rows: Dtype | None = None
) -> tuple[bytes, bytes]:
    """The bytes of forward.ts and inverse.ts: the same graphs, traced and frozen."""
    return tuple(_one_script(graph, example) for graph, example in _graphs(flow, dimension, dtype, precision, rows))  # type: ignore[return-value]  # two graphs


def served_flow(flow: Flow, precision: Dtype, rows: Dtype) -> Flow:
    """A copy as the graphs compute it: with constants in place of all that depends on the weights alone.

    Args:
        flow: the flow, in the types that it was trained in.
        precision: type of the products of the conditioners.
        rows: type of the rows between two transforms.
    """
    served = copy.deepcopy(flow).cpu().eval().requires_grad_(requires_grad=False)
    if rows == "float64":
        served = served.double()
    served = served.frozen()
    if precision != rows:
        for conditioner in (part for part in served.modules() if isinstance(part, Conditioner)):
            conditioner.to(TORCH_TYPE[precision])
    return served


def _graphs(
    flow: Flow, dimension: int, dtype: Dtype, precision: Dtype, rows: Dtype | None
) -> list[tuple[Graph, Tensor]]:
    rows = rows or precision
    served = served_flow(flow, precision, rows)
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(EXAMPLE_ROWS, dimension, generator=generator)
    inverse = InverseGraph(served, TORCH_TYPE[dtype], TORCH_TYPE[rows])
    return [(ForwardGraph(served), example.to(TORCH_TYPE[dtype])), (inverse, example)]


def _one_graph(graph: Graph, example: Tensor) -> bytes:
    source, *answers = graph.names
    try:
        with _without_warnings():
            program = torch.onnx.export(
                graph.eval(),
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[source],
                output_names=answers,
                # A named dimension raises an error if the batch size is fixed; an automatic one becomes static.
                dynamic_shapes={source: {0: torch.export.Dim("batch")}},
                verbose=False,
            )
    except Exception as error:  # the exporter raises many types of error, and each means that there is no graph
        raise ExportError(f"the exporter refused the graph of {source}: {error}") from error
    if program is None:
        raise ExportError(f"the exporter returned no graph of {source}")
    model = _in_one_file(program)
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    _require_dynamic_batch(model)
    return bytes(model.SerializeToString())


def _in_one_file(program: torch.onnx.ONNXProgram) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        program.save(path, external_data=False)
        return onnx.load(path, load_external_data=False)


def _strip(model: onnx.ModelProto) -> None:
    # The exporter stores the source file and line of every node. No runtime needs them, and they reveal local paths.
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
        if node.op_type == "Reshape":
            # It has a meaning for sizes of zero only, which no tensor of a flow has, and a bundle does not allow it.
            kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
            del node.attribute[:]
            node.attribute.extend(kept)
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]


def _require_dynamic_batch(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        batch = value.type.tensor_type.shape.dim[0]
        if not batch.dim_param:
            raise ExportError(f"{value.name} was exported for batches of {batch.dim_value} only; it must take any size")


def _one_script(graph: Graph, example: Tensor) -> bytes:
    checks = [(example[:1],), (example.repeat(2, 1)[:7],)]
    with _without_warnings():
        trace = torch.jit.trace(graph.eval(), (example,), check_inputs=checks)  # type: ignore[no-untyped-call]  # torch leaves trace untyped
        return _without_debug(bytes(torch.jit.freeze(trace).save_to_buffer()))


def _without_debug(archive: bytes) -> bytes:
    # TorchScript stores source files and lines too. The archive loads without these entries.
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(result, "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry))
    return result.getvalue()


@contextmanager
def _without_warnings() -> Iterator[None]:
    # The exporter warns about its own parts (torchvision absent, TorchScript deprecated), not about our flow.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
