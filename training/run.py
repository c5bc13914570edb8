"""Fits a recipe and publishes the result: load, fit, choose, certify, publish, report; resumable at any step."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from diffeo.bundle.manifest import Dtype

from . import export, source
from .errors import DeviceError
from .fitting.batches import FitRows, RowsOfPass, TrainingRows
from .fitting.choice import Candidate, choose
from .fitting.fit import FitState
from .fitting.interruption import FitInterrupted
from .fitting.trainer import TrainerOptions, train
from .flows.architecture import Architecture
from .flows.flow import Flow
from .int8 import quantisation
from .publication import Destination, Report, publish_flow
from .recipe import Recipe
from .source import Dataset
from .split import BLOCK_ROWS, Numbers, Rows

# A column whose mean is this many scales from zero has fewer than 12 of float32's 24 bits left for its own variation.
WIDE_OFFSET: Final = 2.0**12

Baselines = Callable[[Dataset, Dtype, torch.device], Sequence[Candidate]]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one run that are not part of the recipe.

    Attributes:
        models: the repository to publish into.
        runs: the folder for the state of unfinished fits.
        device: auto, cpu or cuda.
        resume: continue from the saved state.
        torchscript: add the two graphs as TorchScript to the bundle.
        int8: add the two graphs with hidden products in 8-bit integers to the bundle.
        publish_best: publish the best weights of the saved state, without further steps.
        threads: of the processor; None measures how many are fastest.
    """

    models: Path
    runs: Path
    device: str = "auto"
    resume: bool = False
    torchscript: bool = False
    int8: bool = False
    publish_best: bool = False
    threads: int | None = None


def no_baselines(_dataset: Dataset, _dtype: Dtype, _device: torch.device) -> Sequence[Candidate]:
    """No other candidates: the fitted flow is published."""
    return ()


def run(recipe: Recipe, options: Options, baselines: Baselines = no_baselines) -> Report:
    """Fit `recipe` and publish the result as the next version of models/NAME.

    Args:
        recipe: what to fit.
        options: how.
        baselines: makes the flows that the fitted flow must beat on the validation rows, the simplest first. They take
            x in the wire type and compute on the device of the fit.

    Raises:
        DataError: the rows cannot be fitted.
        FitError: the optimisation does not stay finite.
        ResumeError: there is no saved state to continue, or it belongs to another recipe or other data.
        CertificateError: the graphs are out of tolerance.
        NothingToRound: `int8` is set, and integers would not make the flow faster.
        FitInterrupted: Ctrl-C; the state is saved.
        In each of these cases nothing is published.
    """
    started = time.monotonic()
    device = choose_device(options.device)
    dataset = source.load(recipe)
    architecture, dtype, flow = prepare(recipe, dataset)
    if options.int8:
        quantisation.require_wide_layers(flow)
    flow = flow.to(device)
    rows = fit_rows(recipe, dataset, dtype, device)
    state = train(flow, rows, recipe.fit, _trainer_options(recipe, dataset, options, started))
    try:
        candidates = [*baselines(dataset, dtype, device), Candidate("the fitted flow", state.best, architecture)]
        choice = choose(candidates, rows.validation, rows.validation_weights)
        destination = Destination(options.models, options.torchscript, options.int8)
        return publish_flow(recipe, dataset, choice, state.records, destination)
    except KeyboardInterrupt:
        raise _interrupted(state) from None


def _interrupted(state: FitState) -> FitInterrupted:
    sentence = f"interrupted after the fit, before its publication; the fit took {state.step:,} steps and is saved"
    return FitInterrupted(sentence, has_best=False)


def choose_device(name: str) -> torch.device:
    """The device for a fit; `auto` chooses CUDA where torch finds it.

    Raises:
        DeviceError: `cuda` is requested and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda: torch sees no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare(recipe: Recipe, dataset: Dataset) -> tuple[Architecture, Dtype, Flow]:
    """The architecture, the type of x on the wire, and a fresh flow that is standardised by the training rows."""
    mean, scale = dataset.split.moments()
    dtype: Dtype = "float64" if np.max(np.abs(mean) / scale) > WIDE_OFFSET else "float32"
    architecture = recipe.flow.architecture(len(mean))
    torch.manual_seed(recipe.fit.seed)
    kind = export.TORCH_TYPE[dtype]
    moments = torch.tensor(mean, dtype=kind), torch.tensor(scale, dtype=kind)
    return architecture, dtype, architecture.build(*moments, recipe.flow.sharpness)


def fit_rows(recipe: Recipe, dataset: Dataset, dtype: Dtype, device: torch.device) -> FitRows:
    """The rows of the fit on the device, in the wire type of x, which is the input type of the flow."""
    split = dataset.split
    train_weights, validation_weights = (
        None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)
        for weights in (split.weights_of(split.train_rows), split.weights_of(split.validation_rows))
    )
    of_pass = _rows_of_pass(dataset, dtype, device)
    train = TrainingRows(of_pass, len(split.train_rows), recipe.fit.batch, recipe.fit.seed, train_weights)
    return FitRows(train, to_tensor(split.table, split.validation_rows, dtype, device), validation_weights)


def _rows_of_pass(dataset: Dataset, dtype: Dtype, device: torch.device) -> RowsOfPass:
    draw = dataset.train_of_pass
    if draw is not None:
        return lambda number: torch.tensor(draw(number), dtype=export.TORCH_TYPE[dtype], device=device)
    rows = to_tensor(dataset.split.table, dataset.split.train_rows, dtype, device)
    return lambda _number: rows


def to_tensor(table: Rows, numbers: Numbers, dtype: Dtype, device: torch.device) -> Tensor:
    """These rows of a table [n, D] in the wire type; converted by blocks, so that no second copy is made on the way."""
    rows = torch.empty(len(numbers), table.shape[1], dtype=export.TORCH_TYPE[dtype], device=device)
    for start in range(0, len(numbers), BLOCK_ROWS):
        block = table[numbers[start : start + BLOCK_ROWS]]
        rows[start : start + len(block)] = torch.from_numpy(block)
    return rows


def _trainer_options(recipe: Recipe, dataset: Dataset, options: Options, started: float) -> TrainerOptions:
    digest = hashlib.sha256((recipe.digest + dataset.sha256).encode())
    if dataset.split.weights is not None:
        digest.update(np.ascontiguousarray(dataset.split.weights).tobytes())
    return TrainerOptions(
        recipe.name,
        options.runs / recipe.name,
        digest.hexdigest(),
        resume=options.resume,
        publish_best=options.publish_best,
        threads=options.threads,
        started=started,
    )
