"""Fits a recipe and publishes the result: load, fit, choose, certify, publish, report; resumable at any step."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffeo.bundle.manifest import Dtype
from diffeo.tables.reading.source_table import SourceTable

from . import export, source
from .candidates import mixture_candidates, simple_candidates
from .errors import DeviceError
from .fitting.batches import FitRows, RowsOfPass, TrainingRows
from .fitting.choice import Candidate, choose
from .fitting.fit import FitState
from .fitting.interruption import FitInterrupted
from .fitting.parallel.fit_all import fit_all
from .fitting.parallel.reports import Entry
from .fitting.threads import thread_count
from .fitting.trainer import TrainerOptions, print_note, print_nothing
from .inspection import render
from .int8 import quantisation
from .preparation.flow_sizes import regularised
from .preparation.prepare import Prepared, prepare
from .preparation.start_rows import VALIDATION_PLACES, fit_baselines, start_numbers, start_rows
from .publication.publish import publish_flow
from .publication.result import Destination, Fitted, Report
from .quality.baselines.baselines import Baselines
from .recipe import Recipe
from .source import Dataset
from .split import BLOCK_ROWS, Float64, Numbers, Rows


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
        quiet: show no look at the table and no progress.
    """

    models: Path
    runs: Path
    device: str = "auto"
    resume: bool = False
    torchscript: bool = False
    int8: bool = False
    publish_best: bool = False
    threads: int | None = None
    quiet: bool = False


def run(recipe: Recipe, options: Options, table: SourceTable | None = None) -> Report:
    """Fit `recipe` and publish the result as the next version of models/NAME.

    Args:
        recipe: what to fit.
        options: how.
        table: a table that was read already, in place of the files of the recipe.

    Raises:
        TableError: a file cannot be read.
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
    dataset = source.load(recipe, table)
    is_new = not (options.resume or options.publish_best)
    if dataset.report is not None and is_new and not options.quiet:
        print_note(render(dataset.report))
    baselines = fit_baselines(dataset, recipe.fit.seed, recipe.fit.budget)
    with thread_count(1):
        prepared = _prepare_all(recipe, dataset, baselines)
    if options.int8:
        quantisation.require_wide_layers(prepared[0].flow)
    rows = fit_rows(recipe, dataset, prepared[0].dtype, device)
    states = fit_all([*_entries(prepared, recipe, dataset, options, device, started)], rows)
    destination = Destination(options.models, options.torchscript, options.int8)
    try:
        # The products are small, and other work goes on at the same time.
        with thread_count(1):
            fitted = [(each, state) for each, state in zip(prepared, states, strict=True) if state is not None]
            candidates = [*_simple(prepared, recipe, dataset, baselines, device)]
            candidates += [Candidate(each.name, state.best, each.architecture, trained=True) for each, state in fitted]
            choice = choose(candidates, rows, dataset.draws)
            records = {each.name: state.records for each, state in fitted}
            best = min((state for _, state in fitted), key=lambda state: state.best_nll)
            shown = records.get(choice.candidate.name, best.records)
            return publish_flow(recipe, dataset, Fitted(choice, baselines, shown), destination)
    except KeyboardInterrupt:
        raise _interrupted(states) from None


def _prepare_all(recipe: Recipe, dataset: Dataset, baselines: Baselines) -> list[Prepared]:
    """Every flow of the recipe that suits the table; the second with the same words gets "(2)" behind its name."""
    sections = recipe.flows(len(dataset.columns))
    prepared = [prepare(recipe, dataset, section, baselines.mixture.components) for section in sections]
    # A mixture of one Gaussian is none. A flow alone stays: its fit says that it has nothing to fit.
    prepared = [each for each in prepared if any(True for _ in each.flow.parameters())] or prepared
    names = [each.name for each in prepared]
    numbers = [names[: place + 1].count(name) for place, name in enumerate(names)]
    return [
        each if number == 1 else replace(each, name=f"{each.name} ({number})")
        for each, number in zip(prepared, numbers, strict=True)
    ]


def _simple(
    prepared: Sequence[Prepared], recipe: Recipe, dataset: Dataset, baselines: Baselines, device: torch.device
) -> Iterator[Candidate]:
    """The candidates that take no steps, the simplest first; before them a mixture that is clearly better."""
    start, dtype = start_rows(dataset, recipe.fit.seed), prepared[0].dtype
    shapes = [each.architecture for each in prepared]
    simple = simple_candidates(baselines, start, shapes, dtype, device)
    mixtures = mixture_candidates(baselines, start, shapes, dtype, device) if recipe.flow.mixture else ()
    yield from (*mixtures, *simple) if baselines.mixture.is_clearly_better else (*simple, *mixtures)


def _interrupted(states: Sequence[FitState | None]) -> FitInterrupted:
    steps = max(state.step for state in states if state is not None)
    sentence = f"interrupted after the fit, before its publication; the fit took {steps:,} steps and is saved"
    return FitInterrupted(sentence, has_best=False)


def _entries(  # noqa: PLR0913, PLR0917  (all that a run has)
    prepared: Sequence[Prepared],
    recipe: Recipe,
    dataset: Dataset,
    options: Options,
    device: torch.device,
    started: float,
) -> Iterator[Entry]:
    """Each flow with its own folder; a flow alone has that of the model."""
    layers = max(len(each.flow.transforms) for each in prepared)
    settings = replace(_trainer_options(recipe, dataset, options, started), layers=layers)
    fit = regularised(recipe.fit, len(dataset.split.train_rows), len(dataset.columns))
    for number, each in enumerate(prepared):
        own = settings
        if len(prepared) > 1:
            own = replace(settings, folder=settings.folder / str(number), digest=f"{settings.digest} {number}")
        yield Entry(each.name, each.flow.to(device), fit, own)


def choose_device(name: str) -> torch.device:
    """The device for a fit; `auto` chooses CUDA where torch finds it.

    Raises:
        DeviceError: `cuda` is requested and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda: torch sees no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def fit_rows(recipe: Recipe, dataset: Dataset, dtype: Dtype, device: torch.device) -> FitRows:
    """The rows of the fit on the device, in the input type of the flow."""
    split = dataset.inputs
    train_weights, validation_weights = (
        None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)
        for weights in (split.weights_of(split.train_rows), split.weights_of(split.validation_rows))
    )
    of_pass = _rows_of_pass(dataset, dtype, device)
    train = TrainingRows(of_pass, len(split.train_rows), recipe.fit.batch, recipe.fit.seed, train_weights)
    if validation_weights is not None:
        validation_weights = validation_weights.repeat(dataset.draws)
    seed = recipe.fit.seed
    held_out = dataset.drawn_often(split.validation_rows, seed, VALIDATION_PLACES)
    offsets = (
        _offset(dataset, start_numbers(dataset, seed), start_rows(dataset, seed), None),
        _offset(dataset, split.validation_rows, held_out, split.weights_of(split.validation_rows)),
    )
    validation = torch.tensor(held_out, dtype=export.TORCH_TYPE[dtype], device=device)
    return FitRows(train, validation, validation_weights, *offsets)


def _offset(dataset: Dataset, numbers: Numbers, y: Float64, weights: Float64 | None) -> float:
    """Nats from the mean loss of rows y, as the graphs take them, to their loss in the user's units."""
    tiled = None if weights is None else np.tile(weights, len(y) // len(numbers))
    return -float(np.average(dataset.log_factor(numbers, y), weights=tiled))


def _rows_of_pass(dataset: Dataset, dtype: Dtype, device: torch.device) -> RowsOfPass:
    draw = dataset.train_of_pass
    if draw is not None:
        return lambda number: torch.tensor(draw(number), dtype=export.TORCH_TYPE[dtype], device=device)
    rows = to_tensor(dataset.inputs.table, dataset.inputs.train_rows, dtype, device)
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
        note=print_nothing if options.quiet else print_note,
        shows_progress=not options.quiet,
    )
