"""The page of the comparison: a table of losses for each group of tables, and the leads of diffeo with their errors."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

import numpy as np

from benchmarks.machine import machine
from benchmarks.markdown import number, table
from benchmarks.quality.models import MODELS
from benchmarks.quality.outcome import Outcome
from benchmarks.quality.tables import CHANGES, REAL
from benchmarks.quality.truths import TRUTHS
from benchmarks.tables.real import LOADERS

OURS: Final = "diffeo"
SECONDS: Final = 90.0
LONG: Final = 300.0
CHANGED: Final = "magic.gamma"


def page(outcomes: Sequence[Outcome]) -> str:
    """The whole page as Markdown."""
    return f"""# Held-out loss beside other density models

`python -m benchmarks.quality` on {machine()}. Every model gets the same rows, split 80/10/10 by the seed, and the same
clock of this machine; repeated values are spread first (`benchmarks/quality/tables.py`). Losses are nats a row on the
test rows, of standardised columns; lower is better. A cell is the median over the seeds, with the range in brackets.
A mixture or a kernel that is being fitted when the clock ends is finished.
"lead" is how much lower diffeo's loss is on the same test rows, with the standard error of the difference; where there
are several seeds, both are medians.

## Real tables, 90 s

{_losses(outcomes, REAL, SECONDS)}

### Lead of diffeo

{_leads(outcomes, REAL, SECONDS)}

### Seconds of the whole fit

That of diffeo ends with exported and certified graphs.

{_seconds(outcomes)}

## Real tables, 5 minutes

{_losses(outcomes, REAL, LONG)}

### Lead of diffeo

{_leads(outcomes, REAL, LONG)}

## Small tables of scikit-learn

{_losses(outcomes, tuple(LOADERS), SECONDS)}

### Lead of diffeo

{_leads(outcomes, tuple(LOADERS), SECONDS)}

## Known densities: KL(truth || model), nats

{_losses(outcomes, tuple(TRUTHS), SECONDS, digits=4)}

## Part of the rows, and other clocks

{_curve(outcomes)}
{_clocks(outcomes)}

## The same table in other units

magic.gamma with its columns in the reverse order, times 10^6 and 10^-6 in turn, and shifted by 100 standard deviations.

{_changes(outcomes)}

## Speed

Thousand rows a second, scored and sampled, by the model that was fitted to each real table in 90 s. diffeo uses ONNX
Runtime and every core; the others were measured in their own library, on one core.

{_speeds(outcomes)}
"""


def _of(outcomes: Iterable[Outcome], name: str, model: str, seconds: float) -> list[Outcome]:
    return [o for o in outcomes if (o.case.table, o.case.model, o.case.seconds) == (name, model, seconds)]


def _losses(outcomes: Sequence[Outcome], names: Sequence[str], seconds: float, digits: int = 3) -> str:
    rows = []
    for model in MODELS:
        cells = [_cell([o.loss for o in _of(outcomes, name, model, seconds)], digits) for name in names]
        if any(cells):
            rows.append((model, *cells))
    return table(("model", *names), rows) if rows else "Not measured."


def _seconds(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for model in MODELS:
        found = [[o.seconds for o in _of(outcomes, name, model, SECONDS)] for name in REAL]
        if any(found):
            rows.append((model, *(f"{median(seconds):.0f}" if seconds else "" for seconds in found)))
    return table(("model", *REAL), rows) if rows else "Not measured."


def _cell(losses: Sequence[float], digits: int) -> str:
    if not losses:
        return ""
    middle = f"{median(losses):.{digits}f}"
    return middle if len(losses) == 1 else f"{middle} ({min(losses):.{digits}f} to {max(losses):.{digits}f})"


def _leads(outcomes: Sequence[Outcome], names: Sequence[str], seconds: float) -> str:
    rows = []
    for model in MODELS:
        cells = [_lead(outcomes, name, model, seconds) for name in names]
        if model != OURS and any(cells):
            rows.append((model, *cells))
    return table(("lead over", *names), rows) if rows else "Not measured."


def _lead(outcomes: Sequence[Outcome], name: str, model: str, seconds: float) -> str:
    others = {o.case.seed: o for o in _of(outcomes, name, model, seconds)}
    pairs = [o.lead(others[o.case.seed]) for o in _of(outcomes, name, OURS, seconds) if o.case.seed in others]
    if not pairs:
        return ""
    lead, error = np.median(pairs, axis=0)
    text = f"{lead:.3f} ± {error:.3f}"
    return f"**{text}**" if lead < -error else text


def _curve(outcomes: Sequence[Outcome]) -> str:
    parts = sorted({o.case.table for o in outcomes if is_part(o.case.table)}, key=_rows)
    if not parts:
        return "Not measured."
    tables = _losses(outcomes, parts, SECONDS) + "\n\n" + _leads(outcomes, parts, SECONDS)
    return f"![Loss by the number of rows](quality-rows.png)\n\n{tables}\n"


def _clocks(outcomes: Sequence[Outcome]) -> str:
    clocks = {(o.case.table, o.case.seconds) for o in outcomes if o.case.model == OURS and o.case.table in REAL}
    is_measured = len(clocks) > len({name for name, _ in clocks})
    return "![Loss by the clock](quality-clock.png)\n" if is_measured else ""


def is_part(name: str) -> bool:
    """True for a name such as "protein 1000"."""
    return name.rpartition(" ")[2].isdigit()


def _rows(name: str) -> int:
    return int(name.rpartition(" ")[2])


def _changes(outcomes: Sequence[Outcome]) -> str:
    plain = {outcome.case.seed: outcome for outcome in _of(outcomes, CHANGED, OURS, SECONDS)}
    rows = []
    for change in CHANGES:
        for outcome in _of(outcomes, f"{CHANGED} {change}", OURS, SECONDS):
            if outcome.case.seed in plain:
                lead, error = plain[outcome.case.seed].lead(outcome)
                rows.append((change, f"{outcome.loss:.3f}", f"{lead:+.3f} ± {error:.3f}", f"{_spread(outcome):.3f}"))
    head = ("change", "loss", "loss less that of the plain table, ± its error", "standard error of the loss")
    return table(head, rows) if rows else "Not measured."


def _spread(outcome: Outcome) -> float:
    return float(outcome.log_prob.std() / np.sqrt(len(outcome.log_prob)))


def _speeds(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for model in MODELS:
        cells = []
        for name in REAL:
            found = _of(outcomes, name, model, SECONDS)
            if not found:
                continue
            scored, sampled = (
                median(getattr(outcome, what) for outcome in found) / 1000 for what in ("scored", "sampled")
            )
            cells.append(f"{number(scored)} / {number(sampled)}")
        if cells:
            rows.append((model, *cells))
    return table(("model", *REAL), rows)
