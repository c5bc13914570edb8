"""Graphs take the fastest number types that are exact enough: float32, rows in float64, x in float64, float64."""

import copy
from typing import Final

import numpy as np
import pytest
import torch

from diffeo.bundle.manifest import Dtype
from diffeo.training import export
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.conditioner import Conditioner
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.splines.coupling import SplineCouplingSpec
from diffeo.training.flows.transform import TransformSpec
from diffeo.training.graph_session import Graph
from diffeo.training.publication import graphs
from diffeo.training.publication.number_types import CHOICES, NumberTypes, types_to_try

SPECS: Final[dict[str, TransformSpec]] = {
    "affine": AffineCouplingSpec(),
    "spline": SplineCouplingSpec(bins=6, bound=3.5),
}
ROWS: Final = 2_500


def shape(spec: TransformSpec) -> Architecture:
    return Architecture(4, 4, 32, 1, spec, marginals=6, linear="full", permuted=True, residual=True)


def fitted(spec: TransformSpec, spread: float) -> tuple[Flow, np.ndarray]:
    """A flow of rows whose columns differ by this much, with weights as after a fit."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((ROWS, 1)) + spread * generator.standard_normal((ROWS, 4))
    rows = rows.astype(np.float32).astype(np.float64)
    torch.manual_seed(0)
    mean, scale = (torch.from_numpy(moment).float() for moment in (rows.mean(axis=0), rows.std(axis=0)))
    flow = shape(spec).build(mean, scale, rows=torch.from_numpy(rows))
    for conditioner in (part for part in flow.modules() if isinstance(part, Conditioner)):
        for weights in conditioner.parameters():
            weights.data += 0.05 * torch.randn_like(weights)
    return flow, rows


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_the_steeper_a_flow_the_more_exact_its_numbers(spec: TransformSpec) -> None:
    chosen = [next(iter(types_to_try(*_flow_type_rows(spec, spread)))) for spread in (1.0, 1e-3, 1e-5)]
    assert chosen[0] == NumberTypes()
    assert chosen[1] == NumberTypes(rows="float64")
    assert (chosen[2].x, chosen[2].rows) == ("float64", "float64")


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_the_last_choice_remains_if_the_first_fails(spec: TransformSpec) -> None:
    assert [*types_to_try(*_flow_type_rows(spec, 1.0))] == [CHOICES[0], CHOICES[-1]]
    flow, rows = fitted(spec, 1.0)
    assert all(types.x == "float64" for types in types_to_try(flow, "float64", rows))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_rows_in_float64_between_products_in_float32_are_exact_and_certified(spec: TransformSpec) -> None:
    flow, rows = fitted(spec, 1e-3)
    exact = copy.deepcopy(flow).double().requires_grad_(requires_grad=False)
    expected = exact.forward(torch.from_numpy(rows))[0].numpy()
    worst = {}
    for between in ("float32", "float64"):
        forward, _ = export.to_onnx(flow, 4, "float32", "float32", between)
        worst[between] = np.abs(Graph(forward).run(rows)["z"] - expected).max()
    assert worst["float64"] < 2e-5
    assert worst["float32"] > 2e-4
    subject, _ = graphs.certified(shape(spec), "float32", flow, rows)
    assert (subject.precision, subject.row_type) == ("float32", "float64")


def test_the_conditioners_of_such_a_flow_compute_in_float32() -> None:
    flow, _ = fitted(SPECS["spline"], 1.0)
    served = export.served_flow(flow, "float32", "float64")
    types = {
        weights.dtype for part in served.modules() if isinstance(part, Conditioner) for weights in part.parameters()
    }
    assert types == {torch.float32}
    assert served.forward(torch.zeros(1, 4))[0].dtype == torch.float64


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_a_flow_that_needs_more_digits_of_x_is_certified_with_x_in_float64(spec: TransformSpec) -> None:
    flow, rows = fitted(spec, 1e-5)
    subject, _ = graphs.certified(shape(spec), "float32", flow, rows)
    assert subject.forward.takes_float64
    assert graphs.input_type(flow) == "float64"
    assert flow.get_buffer("transforms.0.unit").dtype == torch.float32


def _flow_type_rows(spec: TransformSpec, spread: float) -> tuple[Flow, Dtype, np.ndarray]:
    flow, rows = fitted(spec, spread)
    return flow, "float32", rows
