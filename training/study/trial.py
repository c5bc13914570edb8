"""Runs one trial: fits a flow and measures it. The outcome depends on the settings, so their digest is its name."""

import hashlib
import importlib.metadata
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field

from .. import source
from ..fitting import fit
from ..fitting.batches import FitRows, fixed_rows
from ..fitting.evaluation import Evaluation
from ..fitting.fit import FitState
from ..fitting.plan import plan_fit, steps_of_pass
from ..flow_section import FlowSection
from ..flows.architecture import Architecture, flow_to_bytes
from ..flows.coupling import Coupling
from ..flows.flow import Flow
from ..recipe import FitSection
from . import metrics
from .populations import population

# An outcome depends on the settings and on these files. If one of them changes, every trial runs again.
CODE: Final = (
    "flows/*.py",
    "fitting/batches.py",
    "fitting/evaluation.py",
    "fitting/fit.py",
    "fitting/plan.py",
    "source.py",
    "targets.py",
    "study/trial.py",
    "study/metrics.py",
    "study/populations.py",
)
VIEW_ROWS: Final = 2_000
MEASURE_SECONDS: Final = 1.0
# Larger flows are not stored: no later step reads them, and the widest take 21 MB each.
STORED_PARAMETERS: Final = 200_000


class Trial(BaseModel):
    """The settings of one fit of the study.

    Attributes:
        experiment: the part of the study that it belongs to.
        data: a name in populations.py.
        rows: number of training rows; a table with fewer rows gives all of them.
        severed: the gradient stops at the inputs of the conditioners, so it treats B as zero.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    experiment: str
    data: str
    rows: Annotated[int, Field(ge=1)]
    flow: FlowSection
    fit: FitSection
    severed: bool = False

    @property
    def id(self) -> str:
        """Eight hexadecimal digits of the digest of the settings: the name of the trial in all files of the study."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]

    @property
    def digest(self) -> str:
        """sha256 of the settings, the code and the version of torch: the name of the outcome in the cache."""
        parts = [self.model_dump_json(), code(*CODE), importlib.metadata.version("torch")]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def architecture(self, columns: int) -> Architecture:
        """The architecture of its flow for this number of columns of x."""
        return self.flow.architecture(columns)

    @property
    def cost(self) -> float:
        """Estimated seconds of one core, for the progress bar."""
        steps = self.rows / self.fit.batch * (self.fit.epochs or 1) * self.architecture(2).layers
        overhead = 1.3e-3 if self.flow.block == 0 else 2.3e-3
        return MEASURE_SECONDS + steps * (
            overhead + 1.2e-10 * self.fit.batch * self.flow.hidden**2 * (self.flow.depth - 1)
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a trial: metrics by name, losses by epoch, points to draw, and the flow if it is small."""

    metrics: metrics.Metrics
    records: tuple[Evaluation, ...]
    points: dict[str, npt.NDArray[np.float32]]
    flow: bytes


def run(trial: Trial, folder: Path | None) -> Outcome:
    """Fits the flow and measures it.

    Raises:
        DataError: a table is not in the folder.
        FitError: the loss or the gradient does not stay finite.
    """
    rows = population(trial.data, trial.rows, trial.fit.seed, folder)
    mean, scale = (metrics.tensor(value) for value in source.moments(rows.train))
    torch.manual_seed(trial.fit.seed)
    architecture = trial.architecture(len(mean))
    flow = architecture.build(mean, scale, trial.flow.sharpness)
    plan = plan_fit(trial.fit, len(rows.train), len(mean))
    state = fit.start(_without_gradient_through_b(flow) if trial.severed else flow, trial.fit, plan)
    train, validation = metrics.tensor(rows.train), metrics.tensor(rows.validation)
    seconds = _fit_all(state, fixed_rows(train, validation, trial.fit.batch, trial.fit.seed))

    best = state.best
    drawn, entropy = metrics.samples(best, len(mean))
    parameters = sum(parameter.numel() for parameter in best.parameters())
    values = {
        "parameters": float(parameters),
        "steps_per_epoch": float(steps_of_pass(len(rows.train), trial.fit.batch)),
        "seconds_per_epoch": float(np.median(seconds)),
        "setbacks": float(sum(record.rollback for record in state.records)),
        "skipped": float(sum(record.skipped for record in state.records)),
        **metrics.likelihood(best, rows),
        "sample_entropy": entropy,
        **metrics.neighbourhoods(rows.test, drawn),
        **metrics.float32_errors(best, rows.test),
        **metrics.matrices(best),
    }
    points = metrics.views(best, rows.test, drawn, VIEW_ROWS)
    stored = parameters <= STORED_PARAMETERS and not trial.severed
    return Outcome(values, tuple(state.records), points, flow_to_bytes(best, architecture) if stored else b"")


def _fit_all(state: FitState, rows: FitRows) -> list[float]:
    seconds = []
    while not fit.finished(state):
        started = time.monotonic()
        fit.run_until_evaluation(state, rows)
        seconds.append(time.monotonic() - started)
    return seconds


def _without_gradient_through_b(flow: Flow) -> Flow:
    # The input of each conditioner becomes a constant for the gradient, so training treats B as zero.
    for module in flow.modules():
        if isinstance(module, Coupling):
            module.conditioner.net.register_forward_pre_hook(lambda _net, inputs: (inputs[0].detach(),))
    return flow


def code(*patterns: str) -> str:
    """Digests of these files of training/, as JSON by name.

    Raises:
        FileNotFoundError: a pattern matches no file.
    """
    folder = Path(__file__).parent.parent
    found = {pattern: sorted(folder.glob(pattern)) for pattern in patterns}
    for pattern, paths in found.items():
        if not paths:
            raise FileNotFoundError(f"{pattern} matches no file in {folder}")
    files = sorted(path for paths in found.values() for path in paths)
    names = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return json.dumps(names, sort_keys=True)
