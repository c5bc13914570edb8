"""How near the served densities are to the truth, beside a Gaussian mixture: writes benchmarks/density.md.

`python benchmarks/density.py` draws 50,000 fresh rows of each target, asks the bundle in models/ and a scikit-learn
mixture of 32 full-covariance Gaussians for log p, and reports KL(truth || model), the mean of log p_true - log p_model,
with its standard error.
"""

import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.mixture import GaussianMixture

from diffeo.local.model import open_model
from diffeo.training.source import stream
from diffeo.training.targets import Circles, Moons, Target

ROOT = Path(__file__).parents[1]
TARGETS: dict[str, Target] = {"moons": Moons(), "circles": Circles()}
FRESH_ROWS = 50_000
TRAIN_ROWS = 80_000
COMPONENTS = 32


def main() -> None:
    """Measure and write the page."""
    lines = [
        "# Distance to the truth",
        "",
        f"`python benchmarks/density.py`: KL(truth || model), nats ± standard error, on {FRESH_ROWS:,} fresh rows.",
        f"Mixture: scikit-learn {version('scikit-learn')}, {COMPONENTS} components, fitted to {TRAIN_ROWS:,} rows.",
        "",
        "| target | entropy of the truth | bundle in models/ | mixture | seconds to fit the mixture |",
        "|---|---|---|---|---|",
    ]
    lines += [compare(name, target) for name, target in TARGETS.items()]
    (ROOT / "benchmarks/density.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def compare(name: str, target: Target) -> str:
    """One line of the table."""
    fresh = target.draw(FRESH_ROWS, stream(0, "benchmark"))
    truth = target.log_prob(fresh)
    bundle = open_model(ROOT / "models", name, None).log_prob(fresh)
    began = time.monotonic()
    mixture = GaussianMixture(COMPONENTS, random_state=0).fit(target.draw(TRAIN_ROWS, stream(0, "mixture")))
    seconds = time.monotonic() - began
    figures = [divergence(truth, bundle), divergence(truth, mixture.score_samples(fresh))]
    return f"| {name} | {target.entropy():.4f} | {figures[0]} | {figures[1]} | {seconds:.1f} |"


def divergence(truth: npt.NDArray[np.float64], model: npt.NDArray[np.floating]) -> str:
    """KL with its standard error."""
    gap = truth - model
    return f"{gap.mean():.4f} ± {gap.std() / np.sqrt(len(gap)):.4f}"


if __name__ == "__main__":
    main()
