"""The study from end to end: run what is missing, gather, judge, draw, write. `make study` is this file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from diffeo.bundle.manifest import Manifest
from diffeo.bundle.read import read, versions

from ..errors import StudyError
from . import curves, figures, probes, report, results, sheet, store, workers
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
    """What the person at the keyboard decides.

    Attributes:
        out: where the report goes.
        cache: where outcomes are kept between runs.
        data: folder of the real tables; without it their rows in the report's own results are kept.
        models: the repository whose models the grid's best are compared with.
        workers: processes; 0 for one a core.
        quick: one seed, few epochs, every path.
    """

    out: Path
    cache: Path
    data: Path | None
    models: Path
    workers: int = 0
    quick: bool = False


def study(options: Options) -> Path:
    """Run everything and write the report; what was run before with the same code is not run again.

    Raises:
        TrainingError: a trial cannot be run; those that ended are kept.
    """
    plan = Plan(quick=options.quick)
    found = _measure(plan, plan.trials(), options)
    lines = _curves(found, plan, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / RESULTS).write_text(results.to_csv(found), encoding="utf-8")
    (options.out / CURVES).write_text(curves.to_csv(lines), encoding="utf-8")
    write_report(options)
    _draw_sheets(plan, options)
    return options.out / README


def judge(number: int, options: Options) -> str:
    """Run only what claim `number` rests on; its verdict and evidence as Markdown.

    Raises:
        StudyError: no such claim.
        TrainingError: a trial cannot be run.
    """
    if number not in EVIDENCE:
        raise StudyError(f"there is no claim {number}; the claims are 1 to {max(EVIDENCE)}")
    plan = Plan(quick=options.quick)
    claim = report.JUDGES[number](_measure(plan, plan.trials(EVIDENCE[number]), options))
    return f"{claim.number}. {claim.said}\n\n{claim.verdict}: {claim.figure}\n\n{report.page(claim)}"


def write_report(options: Options) -> None:
    """README.md and its charts from results.csv and curves.csv as they stand."""
    text = _text(options.out / RESULTS)
    found, name = results.from_csv(text), figures.digest(text)
    (options.out / README).write_text(report.readme(found, served(options.models)), encoding="utf-8")
    figures.layers(found, name, options.out / "layers.png")
    figures.determinant(found, name, options.out / "determinant.png")
    figures.topology(found, name, options.out / "topology.png")
    figures.condition(found, name, options.out / "condition.png")
    figures.curves(found, curves.from_csv(_text(options.out / CURVES)), name, options.out / "curves.png")


def served(models: Path) -> dict[str, Manifest]:
    """The manifests of the newest served versions of the grid's data sets."""
    return {name: read(models / name / str(max(versions(models / name)))).manifest for name in GRID}


def _measure(plan: Plan, trials: list[Trial], options: Options) -> Results:
    here = [trial for trial in trials if available(trial.data, options.data)]
    workers.run_all(here, options.cache, options.data, options.workers or workers.cores())
    rows = [results.row(trial, store.load(options.cache, trial.digest)) for trial in here]
    kept = _kept(plan, options.out / RESULTS, {trial.id for trial in trials} - {trial.id for trial in here})
    probed: list[Row] = []
    with workers.single_threaded():
        for probe in probes.probes(plan, options.cache):
            if not store.has(options.cache, probe.digest):
                store.save_rows(options.cache, probe.digest, probe.measure())
            probed += store.load_rows(options.cache, probe.digest)
    fresh = _with_steps(rows, {trial.id: store.load(options.cache, trial.digest).record for trial in here})
    # Through the text and back: what is judged is what is written, digit for digit.
    return results.from_csv(results.to_csv(Results([*fresh, *kept, *probed])))


def _kept(plan: Plan, file: Path, absent: set[str]) -> list[Row]:
    """The rows of tables that are not here, from the results that were written before."""
    if not absent:
        return []
    rows = [row for row in results.from_csv(_text(file)) if row.settings["id"] in absent] if file.is_file() else []
    files = ", ".join(table.file for table in TABLES.values())
    if len(rows) < len(absent) and not plan.quick:
        raise StudyError(
            f"{len(absent) - len(rows)} trials on {files} are neither here nor in {file}; name their folder with --data"
        )
    return rows


def _with_steps(rows: list[Row], records: Curves) -> list[Row]:
    """Steps until the validation loss is what A = I has on average after half of its epochs."""
    triangular = Results(row for row in rows if row.settings["experiment"] == "triangular")
    levels = {
        data: triangular.where(data=data, block=0).spread("half_nll").mean for data in triangular.distinct("data")
    }
    return [
        replace(row, figures={**row.figures, "steps_to_level": _steps(row, levels[row.settings["data"]], records)})
        if row.settings["experiment"] == "triangular"
        else row
        for row in rows
    ]


def _steps(row: Row, level: float, records: Curves) -> float:
    losses = [line.validation_nll for line in records[str(row.settings["id"])]]
    each = row.figures["steps_per_epoch"]
    for index, (before, after) in enumerate(zip([losses[0], *losses], losses, strict=False)):
        if after <= level:
            share = 1.0 if index == 0 or before == after else (before - level) / (before - after)
            return each * (index + share)
    return each * len(losses)


def _curves(found: Results, plan: Plan, options: Options) -> Curves:
    here = {trial.id: store.load(options.cache, trial.digest).record for trial in plan.trials()
            if available(trial.data, options.data)}  # fmt: skip
    file = options.out / CURVES
    before = curves.from_csv(_text(file)) if file.is_file() else {}
    names = {str(row.settings["id"]) for row in found}
    return {name: line for name, line in before.items() if name in names} | here


def _draw_sheets(plan: Plan, options: Options) -> None:
    text = _text(options.out / RESULTS)
    found = results.from_csv(text)
    trials = {trial.id: trial for trial in plan.trials(["grid"])}

    def points(row: Row) -> sheet.Points:
        return store.load(options.cache, trials[str(row.settings["id"])].digest).points

    for data in GRID:
        chosen = found.where(experiment="grid", data=data, seed=plan.seeds[0])
        sheet.sheet(chosen, points, figures.digest(text), options.out / f"sheet-{data}.png")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
