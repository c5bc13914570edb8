"""`python -m benchmarks.tables`: fits a hundred hostile and five real tables, one process each, and writes the page.

A hostile table must end in a certified model that is no worse than one Gaussian on the held-out rows, or in one true
sentence within ten seconds. A real table must be published with no option but its name. It takes about half an hour.
The outcomes of tables that were fitted lie in runs/tables, and `--resume` fits the others only.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import TypeAdapter
from tqdm import tqdm

from benchmarks.machine import machine
from benchmarks.markdown import table
from benchmarks.paths import RESULTS, ROOT
from benchmarks.tables.hostile import Hostile, hostile_tables
from benchmarks.tables.real import LOADERS, gaussian_nll, real_table
from diffeo.bundle.read import read
from diffeo.bundle.schema.quality import Quality

OUTCOMES: Final = ROOT / "runs/tables"
REFUSAL_SECONDS: Final = 10.0
# A difference within so many standard errors is none (two-sided, level 0.01).
STANDARD_ERRORS: Final = 2.576
HOSTILE_HEAD: Final = ("table", "end", "s", "lead over one Gaussian", "checks that differ", "promise")
REAL_HEAD: Final = (
    "table", "published", "loss", "one Gaussian", "best mixture", "one Gaussian of scikit-learn", "s", "promise",
)  # fmt: skip
# The default recipe with another learning rate.
RECIPE: Final = """\
name = "{name}"
[data]
file = "{file}"
[fit]
batch = 256
learning_rate = {rate:g}
base_rate = 0.5
warm_up = 0.05
clip = 5.0
weight_decay = "auto"
average = 0.998
"""
USUAL_RATE: Final = 4e-3


@dataclass(frozen=True)
class Outcome:
    """The end of one command.

    Attributes:
        name: of the table.
        seconds: of the whole command.
        code: its exit code.
        said: what it printed to standard error, without the progress bar.
        quality: of the published model; None if there is none.
        published: which flow was published.
        reference: loss of one Gaussian in the user's units, for a real table that was published.
        is_real: a real table must be published.
    """

    name: str
    seconds: float
    code: int
    said: str
    quality: Quality | None = None
    published: str = ""
    reference: float | None = None
    is_real: bool = False

    @property
    def holds(self) -> bool:
        """The promise is kept."""
        if self.quality is None:
            is_sentence = self.code == 1 and "Traceback" not in self.said
            return is_sentence and self.seconds <= REFUSAL_SECONDS and not self.is_real
        gaussian = self.quality.baselines[0]
        is_no_worse = gaussian.lead >= -STANDARD_ERRORS * gaussian.lead_standard_error - 1e-3
        beats = self.reference is None or self.quality.model.nll <= self.reference + 1e-3
        return is_no_worse and beats


OUTCOME: Final = TypeAdapter(Outcome)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the tables and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resume", action="store_true", help="keep the outcomes of an interrupted run")
    parser.add_argument("--only", default="", help="fit only tables whose name holds this text, and write no page")
    options = parser.parse_args(arguments)
    chosen = options.only
    if not options.resume:
        shutil.rmtree(OUTCOMES, ignore_errors=True)
    OUTCOMES.mkdir(parents=True, exist_ok=True)
    hostile = [each for each in hostile_tables() if chosen in each.name]
    real = [name for name in LOADERS if chosen in name]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        work = [pool.submit(once, each.name, partial(fit_hostile, each, Path(folder))) for each in hostile]
        work += [pool.submit(once, name, partial(fit_real, name, Path(folder))) for name in real]
        for _ in tqdm(as_completed(work), "tables", len(work)):
            pass
    outcomes = [each.result() for each in work]
    text = page(outcomes[: len(hostile)], outcomes[len(hostile) :])
    if chosen:
        sys.stdout.write(text)
    else:
        (RESULTS / "tables.md").write_text(text, encoding="utf-8")


def once(name: str, fit_table: Callable[[], Outcome]) -> Outcome:
    """The outcome of a table: the saved one, or that of a fit now, which is saved."""
    file = OUTCOMES / f"{short_name(name)}.json"
    if not file.exists():
        file.write_bytes(OUTCOME.dump_json(fit_table()))
    return OUTCOME.validate_json(file.read_bytes())


def short_name(name: str) -> str:
    """The name of a table as that of a file and of a model."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def fit_hostile(each: Hostile, folder: Path) -> Outcome:
    """Fit one hostile table."""
    short = short_name(each.name)
    file = folder / f"{short}.npy"
    np.save(file, each.rows)
    if each.learning_rate == 1:
        return fit([str(file), "--name", short], each.name, folder / "models" / short)
    recipe = folder / f"{short}.toml"
    recipe.write_text(RECIPE.format(name=short, file=file.name, rate=USUAL_RATE * each.learning_rate))
    return fit([str(recipe)], each.name, folder / "models" / short)


def fit_real(name: str, folder: Path) -> Outcome:
    """Fit one real table, and compute the loss of one Gaussian on the same held-out rows."""
    columns, rows = real_table(name)
    file = folder / f"{name}.csv"
    np.savetxt(file, rows, delimiter=",", header=",".join(columns), comments="", fmt="%.17g")
    outcome = fit([str(file), "--name", name], name, folder / "models" / name)
    if outcome.quality is None:
        return replace(outcome, is_real=True)
    manifest = read(folder / "models" / name / "1").manifest
    return replace(outcome, is_real=True, reference=gaussian_nll(rows, columns, manifest.kinds))


def fit(arguments: Sequence[str], name: str, model: Path) -> Outcome:
    """Run one command and read what it published."""
    started = time.monotonic()
    command = [str(Path(sys.executable).with_name("diffeo")), "fit", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=model.parents[1], check=False)
    seconds = time.monotonic() - started
    said = "\n".join(line for line in done.stderr.replace("\r", "\n").splitlines() if not line.startswith("fit "))
    if done.returncode:
        return Outcome(name, seconds, done.returncode, said)
    quality = read(model / "1").manifest.quality
    published = re.search(r"published: (.+?), -?[\d.]+ nats", done.stdout)
    return Outcome(name, seconds, 0, said, quality, published[1] if published else "")


def page(hostile: Sequence[Outcome], real: Sequence[Outcome]) -> str:
    """The page as Markdown."""
    kept = sum(outcome.holds for outcome in hostile)
    published = sum(outcome.quality is not None for outcome in hostile)
    return f"""# Hostile and real tables

`python -m benchmarks.tables` on {machine()}. Each table is fitted by `diffeo fit FILE --name NAME` in a process of its
own, as many at a time as there are cores.

## Hostile tables

{kept} of {len(hostile)} end as promised: {published} in a certified model that is no worse than one Gaussian on the
held-out rows (by more than {STANDARD_ERRORS:g} standard errors), the others in one sentence within
{REFUSAL_SECONDS:g} s.

{table(HOSTILE_HEAD, map(_row, hostile))}

## Real tables

Loss in nats a row on the held-out rows. "One Gaussian of scikit-learn" has a full covariance and is fitted to the
columns as they are; the other two are fitted to the columns as the flow sees them.

{table(REAL_HEAD, map(_real_row, real))}
"""


def _row(outcome: Outcome) -> tuple[str, ...]:
    promise = "kept" if outcome.holds else "**not kept**"
    if outcome.quality is None:
        return (outcome.name, _last_sentence(outcome.said), f"{outcome.seconds:.1f}", "", "", promise)
    gaussian = outcome.quality.baselines[0]
    lead = f"{gaussian.lead:.3f} ± {gaussian.lead_standard_error:.3f}"
    differ = ", ".join(finding.kind for finding in outcome.quality.findings if not finding.matched)
    return (outcome.name, outcome.published, f"{outcome.seconds:.1f}", lead, differ, promise)


def _real_row(outcome: Outcome) -> tuple[str, ...]:
    promise = "kept" if outcome.holds else "**not kept**"
    reference = "" if outcome.reference is None else f"{outcome.reference:.3f}"
    if outcome.quality is None:
        return (outcome.name, _last_sentence(outcome.said), "", "", "", reference, f"{outcome.seconds:.1f}", promise)
    model, (gaussian, mixture) = outcome.quality.model, outcome.quality.baselines
    loss = f"{model.nll:.3f} ± {model.standard_error:.3f}"
    seconds = f"{outcome.seconds:.1f}"
    others = f"{gaussian.nll:.3f}", f"{mixture.nll:.3f} ({mixture.components})"
    return (outcome.name, outcome.published, loss, *others, reference, seconds, promise)


def _last_sentence(said: str) -> str:
    """The first fault of a report, or the only sentence of an error."""
    found = re.search(r"^1\. (.+?)(?=\n2\. |\Z)", said, re.MULTILINE | re.DOTALL)
    text = found[1] if found else said.strip().splitlines()[-1] if said.strip() else ""
    return " ".join(text.split())[:200]


if __name__ == "__main__":
    main()
