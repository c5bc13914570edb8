"""Renders the page of reliability: one table with promise, measured value and verdict, and the conditions."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.markdown import NOT_MEASURED, number, table
from benchmarks.reliability.figure import FIGURES, Measurement

KEPT: Final = {True: "yes", False: "**no**", None: NOT_MEASURED}
HEAD: Final = ("figure", "promise", "measured", "kept", "N")

INTRODUCTION: Final = """\
# Reliability

`make reliability` measures everything on this page against real server processes, with `diffeo serve` as it is
shipped. `make soak` repeats the soak alone. The load comes from the same machine, so it takes a part of the cores.
Where a promise is zero failures in N, the rate is below 3/N with 95 % confidence. A row without a promise is a
measured fact. Raw figures: [`reliability.json`](reliability.json)."""


def measurements(names: Sequence[str]) -> list[Measurement]:
    """The long runs that were made, in the order of these names."""
    paths = [FIGURES / f"{name}.json" for name in names]
    return [Measurement.read(path) for path in paths if path.exists()]


def write(found: Sequence[Measurement], path: Path) -> None:
    """Writes the page, and the raw figures beside it."""
    content = [asdict(each) for each in found]
    path.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    sections = [INTRODUCTION, *(_section(each) for each in found), "## Conditions", _conditions(found)]
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _section(found: Measurement) -> str:
    rows = [
        (
            figure.name,
            _with_unit(figure.promise, figure.unit) if figure.promise else NOT_MEASURED,
            NOT_MEASURED if math.isnan(figure.value) else _with_unit(number(figure.value), figure.unit),
            KEPT[figure.kept],
            f"{figure.n:,}",
        )
        for figure in found.figures
    ]
    title = found.name.replace("_", " ").capitalize()
    return f"## {title}\n\n`{found.command}`\n\n{table(HEAD, rows)}"


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def _conditions(found: Sequence[Measurement]) -> str:
    rows = [(each.name.replace("_", " "), _seed(each), each.date, each.machine, each.versions) for each in found]
    return table(("run", "seed", "date", "machine", "versions"), rows)


def _seed(found: Measurement) -> str:
    return NOT_MEASURED if found.seed is None else str(found.seed)
