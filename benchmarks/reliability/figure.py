"""One measured figure of reliability, with its promise, and the file of the figures of one benchmark."""

import argparse
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self

from benchmarks.machine import machine
from benchmarks.paths import ROOT

FIGURES: Final = ROOT / "runs/reliability"
# Short runs try the benchmark itself; their figures never stand on the page.
QUICK_FIGURES: Final = FIGURES / "quick"
PACKAGES: Final = ("onnxruntime", "numpy", "fastapi", "uvicorn", "httptools", "uvloop", "pysimdjson", "orjson")


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the page. Use `at_most`, `at_least` or `observed` to make one.

    Attributes:
        name: what was measured, in words that stand alone: "p99 of accepted requests of one row at 10 x capacity".
        value: the measured value.
        unit: the unit of the value and of the promise; empty for a count or a ratio.
        promise: the promise in words and numbers; empty if none is made.
        kept: whether the promise is kept; None without a promise.
        n: the number of requests, cases, kills and so on that the value rests on.
    """

    name: str
    value: float
    unit: str
    promise: str
    kept: bool | None
    n: int

    @classmethod
    def at_most(cls, name: str, value: float, limit: float, unit: str = "", *, n: int) -> Self:
        """A figure that is promised not to exceed the limit. A value that is not a number breaks the promise."""
        return cls(name, value, unit, f"at most {limit:g}", value <= limit, n)

    @classmethod
    def at_least(cls, name: str, value: float, limit: float, unit: str = "", *, n: int) -> Self:
        """A figure that is promised not to fall below the limit. A value that is not a number breaks the promise."""
        return cls(name, value, unit, f"at least {limit:g}", value >= limit, n)

    @classmethod
    def observed(cls, name: str, value: float, unit: str = "", *, n: int) -> Self:
        """A figure without a promise."""
        return cls(name, value, unit, "", None, n)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of one run of one benchmark, and the conditions of the run; the seed is None if nothing is random."""

    name: str
    command: str
    seed: int | None
    date: str
    machine: str
    versions: str
    figures: tuple[Figure, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the file that `write` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        figures = tuple(
            Figure(**each | {"value": math.nan if each["value"] is None else each["value"]})
            for each in content.pop("figures")
        )
        return cls(**content, figures=figures)


def write(name: str, command: str, figures: Sequence[Figure], *, seed: int | None, quick: bool) -> Path:
    """Write the figures of one run to runs/reliability/NAME.json, or to runs/reliability/quick/NAME.json.

    Args:
        name: the name of the benchmark; a later run replaces its file.
        command: the command line that repeats the run.
        figures: the figures, in the order of the page.
        seed: the seed of the random choices; None if nothing is random.
        quick: whether the run was a short one.
    """
    folder = QUICK_FIGURES if quick else FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    # JSON has no NaN and no infinity.
    finite = [asdict(each) | {"value": each.value if math.isfinite(each.value) else None} for each in figures]
    today = datetime.now(UTC).date().isoformat()
    content = {
        "name": name,
        "command": command,
        "seed": seed,
        "date": today,
        "machine": machine(),
        "versions": versions(),
        "figures": finite,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def versions() -> str:
    """Python and the packages that the server stands on, with their versions."""
    found = {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    return ", ".join(f"{name} {number}" for name, number in found.items())


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of every benchmark of this folder.

    Attributes:
        quick: a run of seconds that tries the benchmark itself.
        seed: the seed of every random choice.
    """

    quick: bool
    seed: int


def read_options(doc: str | None) -> Options:
    """Reads `--quick` and `--seed`; the docstring of the benchmark is its help."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run; its figures go to runs/reliability/quick")
    parser.add_argument("--seed", type=int, default=14, help="seed of every random choice (default: 14)")
    given = parser.parse_args()
    return Options(given.quick, given.seed)
