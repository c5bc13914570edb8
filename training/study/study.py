"""Runs the study: runs the missing trials and probes, judges the claims, draws the plots and writes the report."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from diffeo.bundle.manifest import Manifest
from diffeo.bundle.read import read

from ..errors import StudyError
from . import contact_sheet, curves, plots, probes, report, results, store, workers
from .curves import Curves
from .plan import EVIDENCE, GRID, Plan
from .populations import TABLES, available
from .results import Results, Row
from .trial import Trial

RESULTS: Final = "results.csv"
CURVES: Final = "curves.csv"
README: Final = "README.md"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line.

    Attributes:
        out: the folder of the report.
        cache: the folder that stores outcomes between runs.
        data: the folder of the real tables; without it their rows in the existing results.csv are kept.
        models: the model repository; the best flows of the grid are compared with its models.
        workers: number of processes; 0 means one per core.
        quick: one seed and few epochs, but all steps.
    """

    out: Path
    cache: Path
    data: Path | None
    models: Path
    workers: int = 0
    quick: bool = False


def study(options: Options) -> Path:
    """Runs all trials and probes that are not in the cache, and writes the report. Returns the path of its README.md.

    Raises:
        TrainingError: a trial failed; outcomes of earlier trials stay in the cache.
    """
    plan = Plan(quick=options.quick)
    found = _measure(plan, plan.trials(), options)
    records = _curves(found, plan, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / RESULTS).write_text(results.to_csv(found), encoding="utf-8")
    (options.out / CURVES).write_text(curves.to_csv(records), encoding="utf-8")
    write_report(options)
    _draw_contact_sheets(plan, options)
    return options.out / README


def judge(number: int, options: Options) -> str:
    """Runs only the experiments of one claim, and returns its verdict and evidence as Markdown.

    Raises:
        StudyError: there is no claim with this number.
        TrainingError: a trial failed.
    """
    if number not in EVIDENCE:
        raise StudyError(f"there is no claim {number}; the claims are 1 to {max(EVIDENCE)}")
    plan = Plan(quick=options.quick)
    claim = report.JUDGES[number](_measure(plan, plan.trials(EVIDENCE[number]), options))
    return f"{claim.number}. {claim.statement}\n\n{claim.verdict}: {claim.result}\n\n{report.page(claim)}"


def write_report(options: Options) -> None:
    """Writes README.md and its plots from the existing results.csv and curves.csv."""
    text = _text(options.out / RESULTS)
    found, digest = results.from_csv(text), plots.digest(text)
    (options.out / README).write_text(report.readme(found, served(options.models)), encoding="utf-8")
    plots.layers(found, digest, options.out / "layers.png")
    plots.determinant(found, digest, options.out / "determinant.png")
    plots.topology(found, digest, options.out / "topology.png")
    plots.condition(found, digest, options.out / "condition.png")
    plots.curves(found, curves.from_csv(_text(options.out / CURVES)), digest, options.out / "curves.png")


def served(models: Path) -> dict[str, Manifest]:
    """The manifests of the first versions of the served models, for the data sets of the grid: the coursework's."""
    return {name: read(models / name / "1").manifest for name in GRID}


def _measure(plan: Plan, trials: list[Trial], options: Options) -> Results:
    runnable = [trial for trial in trials if available(trial.data, options.data)]
    workers.run_all(runnable, options.cache, options.data, options.workers or workers.cores())
    rows = [results.row(trial, store.load(options.cache, trial.digest)) for trial in runnable]
    kept = _kept(plan, options.out / RESULTS, {trial.id for trial in trials} - {trial.id for trial in runnable})
    probed: list[Row] = []
    with workers.single_threaded():
        for probe in probes.probes(plan, options.cache):
            if not store.has(options.cache, probe.digest):
                store.save_rows(options.cache, probe.digest, probe.measure())
            probed += store.load_rows(options.cache, probe.digest)
    measured = _with_steps(rows, {trial.id: store.load(options.cache, trial.digest).records for trial in runnable})
    # Written and read back, so that the claims are judged by exactly the digits in results.csv.
    return results.from_csv(results.to_csv(Results([*measured, *kept, *probed])))


def _kept(plan: Plan, file: Path, absent: set[str]) -> list[Row]:
    """The rows of trials whose tables are not available, from the existing results.csv."""
    if not absent:
        return []
    rows = [row for row in results.from_csv(_text(file)) if row.settings["id"] in absent] if file.is_file() else []
    files = ", ".join(table.file for table in TABLES.values())
    if len(rows) < len(absent) and not plan.quick:
        raise StudyError(
            f"{len(absent) - len(rows)} trials on {files} cannot run without these files and are not in {file}; "
            "pass the folder of the files with --data"
        )
    return rows


def _with_steps(rows: list[Row], records: Curves) -> list[Row]:
    """Adds `steps_to_level`: steps until the validation loss is the mean loss of A = I after half of its epochs."""
    triangular = Results(row for row in rows if row.settings["experiment"] == "triangular")
    levels = {
        data: triangular.where(data=data, block=0).spread("half_nll").mean for data in triangular.distinct("data")
    }
    return [
        replace(
            row, metrics={**row.metrics, "steps_to_level": _steps_to_level(row, levels[row.settings["data"]], records)}
        )
        if row.settings["experiment"] == "triangular"
        else row
        for row in rows
    ]


def _steps_to_level(row: Row, level: float, records: Curves) -> float:
    losses = [record.validation_nll for record in records[str(row.settings["id"])]]
    per_epoch = row.metrics["steps_per_epoch"]
    for index, (before, after) in enumerate(zip([losses[0], *losses], losses, strict=False)):
        if after <= level:
            share = 1.0 if index == 0 or before == after else (before - level) / (before - after)
            return per_epoch * (index + share)
    return per_epoch * len(losses)


def _curves(found: Results, plan: Plan, options: Options) -> Curves:
    measured = {
        trial.id: store.load(options.cache, trial.digest).records
        for trial in plan.trials()
        if available(trial.data, options.data)
    }
    file = options.out / CURVES
    before = curves.from_csv(_text(file)) if file.is_file() else {}
    names = {str(row.settings["id"]) for row in found}
    return {name: records for name, records in before.items() if name in names} | measured


def _draw_contact_sheets(plan: Plan, options: Options) -> None:
    text = _text(options.out / RESULTS)
    found = results.from_csv(text)
    trials = {trial.id: trial for trial in plan.trials(["grid"])}

    def points(row: Row) -> contact_sheet.Points:
        return store.load(options.cache, trials[str(row.settings["id"])].digest).points

    for data in GRID:
        chosen = found.where(experiment="grid", data=data, seed=plan.seeds[0])
        contact_sheet.draw(chosen, points, plots.digest(text), options.out / f"contact-sheet-{data}.png")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
