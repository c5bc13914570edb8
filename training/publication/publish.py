"""Publishes a fitted flow as the next version of its model, with the report of its fit beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle.calibration_sample import MOST_ROWS, CalibrationSample
from diffeo.bundle.manifest import PLANE, Calibration, Certificate, MassError
from diffeo.bundle.read import Bundle
from diffeo.bundle.write import BundleContent, publish

from .. import report, source
from ..certification.subject import Subject
from ..columns import kinds
from ..errors import CertificateError, IllConditioned
from ..fitting.choice import Choice
from ..fitting.evaluation import best_evaluation
from ..fitting.trainer import print_note
from ..int8 import quantisation
from ..recipe import Recipe
from ..report import plots
from ..report.page.content import LossCurve, ReportContent
from ..source import Dataset
from . import golden_rows, graphs
from .comparison import Comparison, compare
from .mass_error import measure_mass_error
from .result import Destination, Fitted, Report
from .whole_model import WholeModel

Array = npt.NDArray[np.float64]

CERTIFIED_ROWS: Final = 50_000  # of the test rows; more take minutes and find no larger difference
FEW_ROWS: Final = 1_000


def publish_flow(recipe: Recipe, dataset: Dataset, fitted: Fitted, destination: Destination) -> Report:
    """Certify the chosen flow on the test rows and publish it as the next version of models/NAME.

    Raises:
        CertificateError: the graphs are out of tolerance; nothing is published.
    """
    column_map = dataset.column_map
    choice, subject, certificate = _certify(recipe, dataset, fitted)
    fitted = replace(fitted, choice=choice)
    flow = choice.candidate.flow
    dtype = graphs.input_type(flow)
    if destination.int8 and not quantisation.has_wide_layers(flow):
        print_note(f"--int8 is left out: {choice.candidate.name} is published, and it has no wide hidden layers")
        destination = replace(destination, int8=False)
    files, variants = graphs.with_extras(flow, dtype, subject, destination)

    model = WholeModel(subject, column_map)
    comparison = compare(model, dataset, fitted.baselines, recipe.fit.seed)
    sample = _calibration_sample(model, dataset, comparison, recipe.fit.seed)
    parameters = sum(p.numel() for p in flow.parameters())
    kl = report.kl_to_truth(dataset, model.log_prob, recipe)
    content = BundleContent(
        dataset.columns,
        "float64" if dataset.kinds else dtype,
        subject.precision,
        golden_rows.in_user_units(files, subject.base, column_map) | sample.files(),
        certificate,
        _calibration(dataset, comparison),
        report.provenance(recipe, dataset, parameters, comparison.quality.model.nll, kl),
        variants,
        kinds=dataset.kinds,
        graph_dtype=dtype if dataset.kinds else None,
        mass_error=_mass_error(model, dataset, recipe.fit.seed),
        quality=comparison.quality,
    )
    bundle = publish(content, destination.models / recipe.name)
    folder = bundle.path.with_name(f"{bundle.path.name}.report")
    _write_report(_page(bundle, dataset, fitted, comparison, destination), dataset, fitted, model, recipe, folder)
    return Report(bundle, comparison.quality, tuple(fitted.records), kl, folder, str(fitted.choice))


def _certify(recipe: Recipe, dataset: Dataset, fitted: Fitted) -> tuple[Choice, Subject, Certificate]:
    """The chosen flow with its certificate; where it has none, the best of the other flows.

    Raises:
        CertificateError: no flow is within the tolerances; the message is about the chosen one.
    """
    choice, snap = fitted.choice, golden_rows.snap_with(dataset.column_map)
    first: CertificateError | None = None
    while True:
        candidate = choice.candidate
        candidate.flow.cpu()
        dtype, rows = graphs.input_type(candidate.flow), _certified_rows(dataset, recipe.fit.seed)
        try:
            return choice, *graphs.certified(candidate.architecture, dtype, candidate.flow, rows, snap)
        except (CertificateError, IllConditioned) as error:
            first = first or CertificateError(f"{candidate.name}: {error}")
            if not choice.others:
                raise first from None
            print_note(f"{candidate.name} cannot be certified ({error}); the next best flow is tried")
            choice = choice.without_chosen()


def _certified_rows(dataset: Dataset, seed: int) -> Array:
    """Test rows as the graphs take them; atoms and whole numbers at random places of their intervals.

    Of a small table the other rows too: the graphs are compared with the flow, so the rows need not be new to it.
    """
    split = dataset.split
    numbers = split.test_rows[:CERTIFIED_ROWS]
    if len(numbers) < FEW_ROWS:
        numbers = np.concatenate([numbers, split.validation_rows, split.train_rows])[:FEW_ROWS]
    return dataset.drawn(numbers, source.stream(seed, "places of the certificate"))


def _calibration(dataset: Dataset, comparison: Comparison) -> Calibration:
    has_density = np.isfinite(comparison.log_prob_held_out)
    weights = dataset.split.weights_of(dataset.split.test_rows)
    kept = None if weights is None else weights[has_density]
    return report.calibration(comparison.log_prob_held_out[has_density], kept)


def _calibration_sample(model: WholeModel, dataset: Dataset, comparison: Comparison, seed: int) -> CalibrationSample:
    own = model.log_prob(model.sample(MOST_ROWS, seed))
    weights = dataset.split.weights_of(dataset.split.test_rows)
    return CalibrationSample.of(comparison.log_prob_held_out, own, weights)


def _mass_error(model: WholeModel, dataset: Dataset, seed: int) -> MassError | None:
    column_map = dataset.column_map
    if column_map is None or not column_map.snaps:
        return None
    return measure_mass_error(model.inputs_log_prob, column_map, dataset.split.test, seed)


def _page(
    bundle: Bundle, dataset: Dataset, fitted: Fitted, comparison: Comparison, destination: Destination
) -> ReportContent:
    manifest = bundle.manifest
    return ReportContent(
        name=manifest.provenance.name,
        version=int(bundle.path.name),
        models=str(destination.models),
        columns=dataset.columns,
        quality=comparison.quality,
        held_out=comparison.held_out,
        samples=comparison.samples,
        log_prob_held_out=comparison.log_prob_held_out,
        log_prob_samples=comparison.log_prob_samples,
        curve=_curve(dataset, fitted),
        certificate=manifest.certificate,
        provenance=manifest.provenance,
        kinds=kinds.words(dataset.columns, dataset.kinds) if dataset.kinds else (),
        notes=_notes(dataset, fitted),
    )


def _curve(dataset: Dataset, fitted: Fitted) -> LossCurve | None:
    best = best_evaluation(fitted.records)
    if best is None:
        return None
    return LossCurve(
        "step",
        [record.step for record in fitted.records],
        [record.train_nll for record in fitted.records],
        [record.validation_nll for record in fitted.records],
        best.step if fitted.choice.candidate.trained else None,
        None if dataset.target is None else dataset.target.entropy(),
    )


def _notes(dataset: Dataset, fitted: Fitted) -> tuple[str, ...]:
    of_table = () if dataset.report is None else dataset.report.notes
    sentences = [str(fitted.choice), *of_table]
    return tuple(f"{note[0].upper()}{note[1:].rstrip('.')}." for note in sentences if note)


def _write_report(  # noqa: PLR0913, PLR0917  (the parts of a finished fit)
    page: ReportContent, dataset: Dataset, fitted: Fitted, model: WholeModel, recipe: Recipe, folder: Path
) -> None:
    report.write_report(page, fitted.records, dataset.report, folder)
    if model.dimension == PLANE:
        normal = model.draw_latent(plots.POINTS, recipe.fit.seed)
        image = model.latent_of_inputs(_certified_rows(dataset, recipe.fit.seed)[: plots.POINTS])
        plots.forward(normal, image, recipe.name, folder / "forward.png")
        plots.inverse(page.held_out, page.samples[: plots.POINTS], recipe.name, dataset.columns, folder / "inverse.png")
