"""Probes: measurements without a new fit, of the laws, of designed matrices, of Jacobians and of exported graphs."""

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import torch
from torch import Tensor

from diffeo.bundle import base
from diffeo.bundle.manifest import Certificate

from .. import source
from ..certification import integral
from ..certification.subject import Subject
from ..flows.affine import AffineCouplingSpec
from ..flows.architecture import Architecture, flow_from_bytes
from ..flows.flow import Flow
from ..flows.matrix import BlockTriangular
from ..flows.triangular_coupling import TriangularCouplingSpec
from ..publication import graphs
from . import metrics, store
from .plan import GRID, PRODUCT, Plan
from .populations import LAWS, TEST_ROWS, population
from .results import Row, Value
from .trial import Trial, code

Settings = dict[str, Value]

ROUNDS: Final = 9
MAPPED: Final = 4  # A maps half of the eight columns
DETERMINANTS: Final = (1e-4, 1e-2, 1.0, 1e2, 1e4)
# They start at 10: with condition number 1 and det A = 1, A is the identity and has no error.
CONDITIONS: Final = (1e1, 1e2, 1e4, 9e5)
BASE_RADIUS: Final = 12.0  # standard deviations; the mass of the base beyond this radius is negligible


@dataclass(frozen=True, slots=True)
class Probe:
    """A named measurement, the trials whose flows it reads, and the function that measures."""

    name: str
    reads: Sequence[Trial]
    measure: Callable[[], list[Row]]

    @property
    def digest(self) -> str:
        """sha256 of everything that its rows depend on."""
        parts = [
            self.name,
            code("study/probes.py", "certification/*.py", "export.py"),
            *(trial.digest for trial in self.reads),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def probes(plan: Plan, cache: Path) -> list[Probe]:
    """All probes of a plan."""
    dimensions = (2, 8) if plan.quick else (2, 8, 32)
    read = [t for t in plan.trials(["triangular"]) if t.data == PRODUCT and t.fit.seed == plan.seeds[0]]
    read = [t for t in read if not plan.quick or t.flow.block == plan.block][: 2 if plan.quick else None]
    return [
        Probe("laws", [], laws),
        Probe("designed", [], designed),
        Probe("mass", [], lambda: mass(plan.seeds)),
        Probe(f"jacobian {dimensions} {plan.seeds}", [], lambda: jacobian(dimensions, plan.seeds)),
        Probe("served", read, lambda: served(read, cache)),
    ]


def laws() -> list[Row]:
    """Entropy of each law, and `log_scale`, the sum of the log standard deviations of its columns.

    Standardising the columns lowers a loss by `log_scale`.
    """
    rows = []
    for name in (*GRID, PRODUCT):
        law = LAWS[name]
        drawn = law.draw(TEST_ROWS, source.stream(0, "study test"))
        values = {"entropy": law.entropy(), "log_scale": float(np.log(drawn.std(axis=0)).sum())}
        rows.append(_row("laws", {"data": name}, values))
    return rows


def designed() -> list[Row]:
    """Float32 round trips through A and its inverse, for each determinant with each condition number."""
    z = torch.from_numpy(base.draw(1, 0, metrics.ROUND_TRIP_ROWS, MAPPED))
    rows = []
    for det in DETERMINANTS:
        for target in CONDITIONS:
            matrix = _designed(det, target)
            condition = float(torch.linalg.cond(matrix.forward()))
            constants = matrix.float().frozen()
            round_trip = constants.divide(constants.multiply(z))
            values = {
                "condition": condition,
                "round_trip": float((round_trip - z).abs().max()),
            }
            rows.append(_row("designed", {"det": det}, values))
    return rows


def mass(seeds: Sequence[int]) -> list[Row]:
    """Integrals of the density over the plane, with log|det A| and without it."""
    rows = []
    for det in (0.1, 1.0, 10.0):
        for seed in seeds:
            flow = _random(
                Architecture(2, 1, 16, 2, TriangularCouplingSpec(block=1, det=det, limit=1.0)), seed, spread=0.3
            )
            points = torch.from_numpy(base.draw(seed, 0, TEST_ROWS, 2).astype(np.float64))
            circle = BASE_RADIUS * points / points.norm(dim=1, keepdim=True)
            known = torch.cat([flow.inverse(circle)[0], flow.inverse(points)[0]]).numpy()

            box = known.min(axis=0), known.max(axis=0), known
            with_det, _ = integral.integrate(_density(flow, 0.0), *box)
            without, _ = integral.integrate(_density(flow, metrics.matrices(flow)["log_det_a"]), *box)
            values = {"mass": with_det, "mass_without_det": without}
            rows.append(_row("mass", {"det": det, "seed": seed}, values))
    return rows


def jacobian(dimensions: Sequence[int], seeds: Sequence[int]) -> list[Row]:
    """log|det dz/dx| of 128 rows by the formula and from the whole Jacobian: seconds of both, and their difference."""
    rows = []
    for dimension in dimensions:
        for seed in seeds:
            flow = _random(Architecture(dimension, 5, 64, 2, AffineCouplingSpec(limit=1.0)), seed, spread=0.3)
            x = torch.from_numpy(base.draw(seed, 0, 128, dimension).astype(np.float64))
            values = {
                "columns": float(dimension),
                "formula_seconds": _seconds(_by_formula, flow, x),
                "jacobian_seconds": _seconds(_by_jacobian, flow, x),
                "ladj_error": float((_by_formula(flow, x) - _by_jacobian(flow, x)).abs().max()),
            }
            rows.append(_row("jacobian", {"seed": seed}, values))
    return rows


def served(trials: Sequence[Trial], cache: Path) -> list[Row]:
    """Certificates of the exported graphs of each variant, and microseconds per sample in interleaved rounds."""
    published = {trial.id: _published(trial, cache) for trial in trials}
    seconds = _interleaved({name: subject for name, (subject, _) in published.items()})
    rows = []
    for trial in trials:
        checks = {check.name: check.value for check in published[trial.id][1].checks}
        values = {
            "parity": checks["parity"],
            "round_trip": checks["round_trip"],
            "microseconds_per_sample": 1e6 * seconds[trial.id] / TEST_ROWS,
        }
        flow = trial.flow
        settings: Settings = {"data": trial.data, "layers": flow.layers, "hidden": flow.hidden, "block": flow.block}
        rows.append(_row("served", settings | {"det": flow.det, "seed": trial.fit.seed}, values))
    return rows


def _published(trial: Trial, cache: Path) -> tuple[Subject, Certificate]:
    flow = flow_from_bytes(store.load(cache, trial.digest).flow).requires_grad_(requires_grad=False)
    test = population(trial.data, trial.rows, trial.fit.seed, None).test[: metrics.NEIGHBOUR_ROWS]
    rows = graphs.as_input_type(test, "float32")
    return graphs.certified(trial.architecture(test.shape[1]), "float32", flow, rows)


def _interleaved(subjects: dict[str, Subject]) -> dict[str, float]:
    """Seconds for 20,000 samples from each graph. The graphs take turns, so that other load affects all of them."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, subject in subjects.items():
            z = base.draw(metrics.SAMPLE_SEED, 0, TEST_ROWS, subject.dimension)
            started = time.perf_counter()
            subject.inverse.run(z)
            times[name].append(time.perf_counter() - started)
    return {name: median(values) for name, values in times.items()}


def _density(flow: Flow, log_factor: float) -> Callable[[metrics.Array], metrics.Array]:
    def density(x: metrics.Array) -> metrics.Array:
        result: metrics.Array = torch.exp(flow.log_prob(torch.from_numpy(x)) - log_factor).numpy()
        return result

    return density


def _designed(det: float, condition: float) -> BlockTriangular:
    """det^(1/d) times a lower triangle: a diagonal of ones, and one number below it that sets the condition number."""
    matrix = BlockTriangular(MAPPED, 1, det).double().requires_grad_(requires_grad=False)
    low, high = 0.0, 1e3
    for _ in range(60):  # bisection: the condition number grows with the number below the diagonal
        matrix.free.fill_(0.5 * (low + high))
        if float(torch.linalg.cond(matrix.forward())) < condition:
            low = float(matrix.free[0])
        else:
            high = float(matrix.free[0])
    return matrix


def _random(architecture: Architecture, seed: int, spread: float) -> Flow:
    torch.manual_seed(seed)
    dimension = architecture.dimension
    flow = (
        architecture.build(torch.zeros(dimension), torch.ones(dimension)).double().requires_grad_(requires_grad=False)
    )
    for parameter in flow.parameters():
        parameter.add_(spread * torch.randn(parameter.shape) / math.sqrt(parameter.shape[-1]))
    return flow


def _by_formula(flow: Flow, x: Tensor) -> Tensor:
    return flow.forward(x)[1]


def _by_jacobian(flow: Flow, x: Tensor) -> Tensor:
    def row_to_row(row: Tensor) -> Tensor:
        return flow.forward(row[None])[0][0]

    jacobians = torch.func.vmap(torch.func.jacrev(row_to_row))(x)  # [B, D, D]
    result: Tensor = torch.linalg.slogdet(jacobians).logabsdet
    return result


def _seconds(function: Callable[[Flow, Tensor], Tensor], flow: Flow, x: Tensor) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        function(flow, x)
        times.append(time.perf_counter() - started)
    return median(times)


def _row(experiment: str, settings: Settings, values: metrics.Metrics) -> Row:
    name = hashlib.sha256(repr((experiment, sorted(settings.items()), values.get("condition"))).encode())
    return Row({"id": name.hexdigest()[:8], "experiment": experiment} | settings, values)
