"""Measures how far the shipped models are from the true densities: writes benchmarks/results/density.md.

`python -m benchmarks.density` draws 50,000 new rows from each target. It computes log p of these rows with each version
in models/ and with a scikit-learn mixture of 32 full-covariance Gaussians. It reports KL(truth || model), the mean of
log p_true - log p_model, with its standard error, and how many rows a version scores in a second.
"""

import argparse
import time
from collections.abc import Sequence
from importlib.metadata import version
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.mixture import GaussianMixture

from benchmarks.markdown import table
from benchmarks.paths import RESULTS, ROOT
from diffeo.local.model import LocalModel, open_model
from diffeo.training.source import stream
from diffeo.training.targets import Circles, Moons, Target

TARGETS: Final[dict[str, Target]] = {"moons": Moons(), "circles": Circles()}
TEST_ROWS: Final = 50_000
TRAIN_ROWS: Final = 80_000
COMPONENTS: Final = 32
VERSIONS: Final = (1, 2)
SPEED_ROUNDS: Final = 9
HEAD: Final = (
    "target", "entropy of the truth", "version 1, the coursework's flow", "version 2, the default recipe", "mixture",
    "seconds to fit the mixture", "rows/s of versions 1 and 2",
)  # fmt: skip


def main() -> None:
    """Measure both targets and write the page."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    text = f"""# Distance to the truth

`python -m benchmarks.density`: KL(truth || model) in nats ± standard error, on {TEST_ROWS:,} new rows.
Mixture: scikit-learn {version("scikit-learn")}, {COMPONENTS} components, fitted to {TRAIN_ROWS:,} rows.

"""
    rows = [compare(name, target) for name, target in TARGETS.items()]
    (RESULTS / "density.md").write_text(text + table(HEAD, rows) + "\n", encoding="utf-8")


def compare(name: str, target: Target) -> list[str]:
    """One row of the table: the bundle and the mixture on the same test rows."""
    test = target.draw(TEST_ROWS, stream(0, "benchmark"))
    truth = target.log_prob(test)
    models = [open_model(ROOT / "models", name, version) for version in VERSIONS]
    started = time.monotonic()
    mixture = GaussianMixture(COMPONENTS, random_state=0).fit(target.draw(TRAIN_ROWS, stream(0, "mixture")))
    seconds = time.monotonic() - started
    distances = [*(model.log_prob(test) for model in models), mixture.score_samples(test)]
    rates = ", ".join(f"{rate:,.0f}" for rate in rows_per_second(models, test))
    entropy = f"{target.entropy():.4f}"
    return [name, entropy, *(divergence(truth, each) for each in distances), f"{seconds:.1f}", rates]


def rows_per_second(models: Sequence[LocalModel], rows: npt.NDArray[np.float64]) -> list[float]:
    """Rows that each model scores in a second: medians of rounds in which the models take turns."""
    seconds: list[list[float]] = [[] for _ in models]
    for _ in range(SPEED_ROUNDS):
        for model, taken in zip(models, seconds, strict=True):
            started = time.monotonic()
            model.log_prob(rows)
            taken.append(time.monotonic() - started)
    return [len(rows) / median(taken) for taken in seconds]


def divergence(truth: npt.NDArray[np.float64], model: npt.NDArray[np.floating]) -> str:
    """KL(truth || model) with its standard error, in nats."""
    difference = truth - model
    return f"{difference.mean():.4f} ± {difference.std() / np.sqrt(len(difference)):.4f}"


if __name__ == "__main__":
    main()
