"""Flows of every part that an architecture can have are exported, allowed in a bundle, and certified."""

import copy
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch

from diffeo.bundle import graph
from diffeo.bundle.manifest import Dtype, FileName
from diffeo.bundle.tolerances import TOLERANCES
from diffeo.training import export
from diffeo.training.certification import checks, subject
from diffeo.training.certification.certificate import certify
from diffeo.training.certification.subject import Subject
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.splines.coupling import SplineCouplingSpec
from diffeo.training.graph_session import Graph

BATCHES = ((0, 1), (1, 2), (3, 7), (5, 64), (5, 777), (1, 1000))


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rows than for a fit."""
    monkeypatch.setattr(subject, "SAMPLE_ROWS", 2000)
    monkeypatch.setattr(checks, "FAR_ROWS", 2000)


@dataclass(frozen=True, slots=True)
class Exported:
    """A flow away from its start, rows of its data, and its two graphs."""

    flow: Flow
    data: torch.Tensor
    files: tuple[bytes, bytes]


def rows(dimension: int) -> torch.Tensor:
    """Skewed and correlated rows that float32 holds."""
    normal = torch.randn(3000, dimension, generator=torch.Generator().manual_seed(dimension))
    return torch.exp(0.5 * normal + 0.3 * normal[:, :1]).double()


SPLINES = SplineCouplingSpec()
ARCHITECTURES = {
    "one column": Architecture(1, 4, 16, 2, SPLINES, marginals=16, linear="first"),
    "a Gaussian in the plane": Architecture(2, 0, 1, 1, SPLINES, linear="first"),
    "every part": Architecture(5, 4, 16, 2, SPLINES, marginals=16, linear="between", permuted=True),
    "residual conditioners behind tails": Architecture(
        5, 4, 16, 2, SPLINES, 8, "full", permuted=True, residual=True, dropout=0.2, tails=True
    ),
    "affine couplings behind splines": Architecture(
        5, 2, 16, 2, AffineCouplingSpec(limit=2.0), marginals=16, linear="first"
    ),
    "many columns": Architecture(20, 4, 32, 2, SPLINES, marginals=32, linear="between", permuted=True),
}
every_architecture = pytest.mark.parametrize("name", ARCHITECTURES)


@cache
def exported(name: str) -> Exported:
    architecture = ARCHITECTURES[name]
    data = rows(architecture.dimension)
    torch.manual_seed(1)
    flow = architecture.build(data.mean(dim=0).float(), data.std(dim=0).float(), rows=data)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    flow.requires_grad_(requires_grad=False)
    return Exported(flow, data, export.to_onnx(flow, architecture.dimension, "float32"))


@every_architecture
def test_it_is_certified(name: str) -> None:
    model = exported(name)
    files: dict[FileName, bytes] = {"forward.onnx": model.files[0], "inverse.onnx": model.files[1]}
    certificate = certify(Subject(model.flow, files, model.data.float().double().numpy()))
    assert all(check.holds for check in certificate.checks)
    assert {check.name for check in certificate.checks} == set(TOLERANCES)


@every_architecture
def test_a_bundle_allows_its_graphs_and_their_memory_is_small(name: str) -> None:
    dimension = ARCHITECTURES[name].dimension
    for file, content in zip(("forward.onnx", "inverse.onnx"), exported(name).files, strict=True):
        assert graph.inspect(file, content, dimension, "float32").row_bytes < 4096 * dimension


@every_architecture
def test_the_bits_of_a_row_do_not_depend_on_its_position_or_its_batch(name: str) -> None:
    model = exported(name)
    for content, start in zip(model.files, (model.data, torch.randn_like(model.data)), strict=True):
        session = Graph(content)
        whole = session.run(start[:1100].numpy(), block=2000)
        for first, size in BATCHES:
            part = session.run(start[first : first + size].numpy(), block=2000)
            assert all(np.array_equal(part[output], whole[output][first : first + size]) for output in whole)


@pytest.mark.parametrize("name", ["one column", "every part"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_graphs_in_float64_have_the_digits_of_float64(name: str, dtype: Dtype) -> None:
    model, dimension = exported(name), ARCHITECTURES[name].dimension
    forward, inverse = map(Graph, export.to_onnx(model.flow, dimension, dtype, "float64"))
    x = model.data[:500].float().double()
    z, _ = copy.deepcopy(model.flow).double().forward(x)
    np.testing.assert_allclose(forward.run(x.numpy())["z"], z.numpy(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(inverse.run(z.numpy())["x"], x.numpy(), rtol=1e-5, atol=1e-5)
