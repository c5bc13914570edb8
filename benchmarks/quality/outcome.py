"""`Outcome`: one model fitted to one table by one clock and seed, saved in runs/quality until the page is written."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from benchmarks.paths import ROOT

FOLDER: Final = ROOT / "runs/quality"
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """One fit: a model, a table, a seed and a clock.

    Attributes:
        table: name.
        model: name.
        seed: of the split and the weights.
        seconds: the clock.
    """

    table: str
    model: str
    seed: int
    seconds: float

    @property
    def stem(self) -> Path:
        """The path of its files, without their endings."""
        words = f"{self.table}-{self.model}-{self.seed}-{self.seconds:g}"
        return FOLDER / "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in words)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a fit.

    Attributes:
        case: its fit.
        log_prob: of each test row, nats.
        truth: the exact log density of each test row, if it is known.
        about: what was chosen, in words.
        seconds: of the fit.
        scored: rows a second.
        sampled: rows a second.
    """

    case: Case
    log_prob: Vector
    truth: Vector | None
    about: str
    seconds: float
    scored: float
    sampled: float

    @property
    def loss(self) -> float:
        """Mean loss of the test rows; above the entropy of the truth where it is known. Nats."""
        return float((-self.log_prob if self.truth is None else self.truth - self.log_prob).mean())

    def lead(self, other: "Outcome") -> tuple[float, float]:
        """How much lower its loss is than that of another on the same test rows, and the standard error of that."""
        difference = self.log_prob - other.log_prob
        return float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))

    @classmethod
    def saved(cls, case: Case) -> Self | None:
        """The saved outcome of a case, if there is one."""
        if not _file(case, ".json").exists():
            return None
        about = json.loads(_file(case, ".json").read_text(encoding="utf-8"))
        with np.load(_file(case, ".npz")) as arrays:
            return cls(case, arrays["log_prob"], arrays.get("truth"), **about)


def _file(case: Case, ending: str) -> Path:
    return case.stem.with_name(case.stem.name + ending)


def measure(case: Case, data: Path | None, cores: set[int]) -> str:
    """Fit in a process of its own on these cores; returns its errors, or nothing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [
        "taskset", "--cpu-list", ",".join(map(str, sorted(cores))), sys.executable, "-m", "benchmarks.quality.fit_one",
        case.model, case.table, str(case.seed), str(case.seconds), str(case.stem), "--threads", str(len(cores)),
    ]  # fmt: skip
    if data is not None:
        command += ["--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return "" if done.returncode == 0 else done.stderr[-2000:]
