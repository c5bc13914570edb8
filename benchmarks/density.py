"""Measures how far the shipped models are from the true densities: writes benchmarks/results/density.md.

`python -m benchmarks.density` draws 50,000 new rows from each target. It computes log p of these rows with the bundle
in models/ and with a scikit-learn mixture of 32 full-covariance Gaussians. It reports KL(truth || model), the mean of
log p_true - log p_model, with its standard error.
"""

import argparse
import time
from importlib.metadata import version
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.mixture import GaussianMixture

from benchmarks.markdown import table
from benchmarks.paths import RESULTS, ROOT
from diffeo.local.model import open_model
from diffeo.training.source import stream
from diffeo.training.targets import Circles, Moons, Target

TARGETS: Final[dict[str, Target]] = {"moons": Moons(), "circles": Circles()}
TEST_ROWS: Final = 50_000
TRAIN_ROWS: Final = 80_000
COMPONENTS: Final = 32
HEAD: Final = ("target", "entropy of the truth", "bundle in models/", "mixture", "seconds to fit the mixture")


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
    bundle = open_model(ROOT / "models", name, None).log_prob(test)
    started = time.monotonic()
    mixture = GaussianMixture(COMPONENTS, random_state=0).fit(target.draw(TRAIN_ROWS, stream(0, "mixture")))
    seconds = time.monotonic() - started
    distances = [divergence(truth, bundle), divergence(truth, mixture.score_samples(test))]
    return [name, f"{target.entropy():.4f}", *distances, f"{seconds:.1f}"]


def divergence(truth: npt.NDArray[np.float64], model: npt.NDArray[np.floating]) -> str:
    """KL(truth || model) with its standard error, in nats."""
    difference = truth - model
    return f"{difference.mean():.4f} ± {difference.std() / np.sqrt(len(difference)):.4f}"


if __name__ == "__main__":
    main()
