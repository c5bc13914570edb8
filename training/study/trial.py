"""One trial: settings in, outcome out; a function of its settings alone, so an outcome is kept under their digest."""

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
from torch import Tensor

from .. import fit, source
from ..fit import EpochRecord, FitState
from ..flows.architecture import Architecture, flow_to_bytes
from ..flows.coupling import Coupling
from ..flows.flow import Flow
from ..recipe import FitSection, FlowSection
from . import measures
from .populations import population

# What an outcome depends on beside its settings; a change here asks for every trial again.
CODE: Final = (
    "flows/*.py",
    "fit.py",
    "source.py",
    "targets.py",
    "study/trial.py",
    "study/measures.py",
    "study/populations.py",
)
VIEW_ROWS: Final = 2_000
MEASURING: Final = 1.0  # seconds
# Flows above this size are not kept: nothing reads them again, and the widest take 21 MB each.
KEPT_PARAMETERS: Final = 200_000


class Trial(BaseModel):
    """Everything that decides one fit of the study.

    Attributes:
        experiment: the part of the study that asked for it.
        data: a name in `populations`.
        rows: training rows; a table that has fewer gives all.
        severed: gradients do not pass through the conditioners' inputs, which is to say through B.
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
        """Eight hexadecimal digits that name the settings, in every file of the study."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]

    @property
    def digest(self) -> str:
        """sha256 of the settings, the code and the version of torch: the name under which an outcome is kept."""
        parts = [self.model_dump_json(), code(*CODE), importlib.metadata.version("torch")]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def architecture(self, columns: int) -> Architecture:
        """The shape of its flow, for so many columns of x."""
        return self.flow.architecture(columns)

    @property
    def cost(self) -> float:
        """Seconds of one core, roughly: what the progress bar counts."""
        steps = self.rows / self.fit.batch * self.fit.epochs * self.flow.layers
        overhead = 1.3e-3 if self.flow.block == 0 else 2.3e-3
        return MEASURING + steps * (overhead + 1.2e-10 * self.fit.batch * self.flow.hidden**2 * (self.flow.depth - 1))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial came to: figures by name, the loss by epoch, points to draw, and the flow if it is small."""

    figures: measures.Figures
    record: tuple[EpochRecord, ...]
    points: dict[str, npt.NDArray[np.float32]]
    flow: bytes


def run(trial: Trial, folder: Path | None) -> Outcome:
    """Fit and measure.

    Raises:
        DataError: a table is not in the folder.
        FitError: the optimisation does not stay finite.
    """
    rows = population(trial.data, trial.rows, trial.fit.seed, folder)
    mean, scale = (measures.tensor(value) for value in source.moments(rows.train))
    torch.manual_seed(trial.fit.seed)
    architecture = trial.architecture(len(mean))
    flow = architecture.build(mean, scale, trial.flow.sharpness)
    state = fit.start(_severed(flow) if trial.severed else flow, trial.fit)
    seconds = _fit_all(state, measures.tensor(rows.train), measures.tensor(rows.validation), trial.fit)

    best = state.best
    drawn, entropy = measures.samples(best, len(mean))
    parameters = sum(parameter.numel() for parameter in best.parameters())
    figures = {
        "parameters": float(parameters),
        "steps_per_epoch": float(fit.steps_per_epoch(len(rows.train), trial.fit)),
        "seconds_per_epoch": float(np.median(seconds)),
        "setbacks": float(sum(line.rollback for line in state.records)),
        "skipped": float(sum(line.skipped for line in state.records)),
        **measures.likelihood(best, rows),
        "sample_entropy": entropy,
        **measures.neighbourhoods(rows.test, drawn),
        **measures.digits(best, rows.test),
        **measures.matrices(best),
    }
    points = measures.views(best, rows.test, drawn, VIEW_ROWS)
    kept = parameters <= KEPT_PARAMETERS and not trial.severed
    return Outcome(figures, tuple(state.records), points, flow_to_bytes(best, architecture) if kept else b"")


def _fit_all(state: FitState, train: Tensor, validation: Tensor, settings: FitSection) -> list[float]:
    seconds = []
    while not fit.finished(state, settings):
        began = time.monotonic()
        fit.run_epoch(state, train, validation, settings, lambda _step, _loss: None)
        seconds.append(time.monotonic() - began)
    return seconds


def _severed(flow: Flow) -> Flow:
    # What the conditioner reads becomes a constant to the gradient: training then takes B for zero.
    for module in flow.modules():
        if isinstance(module, Coupling):
            module.conditioner.net.register_forward_pre_hook(lambda _net, given: (given[0].detach(),))
    return flow


def code(*patterns: str) -> str:
    """The digests of these files of `training`, by name."""
    folder = Path(__file__).parent.parent
    files = sorted(path for pattern in patterns for path in folder.glob(pattern))
    names = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return json.dumps(names, sort_keys=True)
