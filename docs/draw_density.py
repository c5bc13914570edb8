"""Draws docs/density.png, the picture of the README: the density of a model, samples, and two rows that were scored.

`python docs/draw_density.py` takes two seconds and needs the extras local and train.
"""

from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from diffeo.local.model import LocalModel, open_model

ROOT: Final = Path(__file__).parents[1]
ROWS: Final = ((1.0, -0.5), (0.6, 0.2))
LOW, HIGH, POINTS = (-1.6, -1.0), (2.6, 1.5), 400
DARKEST: Final = -9.0  # nats; lower densities have the same colour


def main() -> None:
    """Computes the density on a grid, draws samples on it, and marks the two rows with their log density."""
    model = open_model(ROOT / "models", "moons", None)
    figure, (density, samples) = plt.subplots(1, 2, figsize=(10, 3.4), sharex=True, sharey=True, layout="constrained")
    draw_density(density, model)
    mark_rows(density, model)
    rows = model.sample(3000, seed=7)
    samples.scatter(*rows.T, s=2, color="#1f4e79", linewidths=0)
    density.set_title("POST /log_prob: how likely is each row?", fontsize=11)
    samples.set_title("POST /sample: new rows, the same for the same seed", fontsize=11)
    for axes in (density, samples):
        axes.set(xlim=(LOW[0], HIGH[0]), ylim=(LOW[1], HIGH[1]), xlabel="x0")
    density.set_ylabel("x1")
    figure.savefig(ROOT / "docs/density.png", dpi=110)


def draw_density(axes: Axes, model: LocalModel) -> None:
    """Draws log_prob of a grid of rows as colours."""
    x0, x1 = (np.linspace(low, high, POINTS) for low, high in zip(LOW, HIGH, strict=True))
    grid = np.stack(np.meshgrid(x0, x1), axis=-1).reshape(-1, 2).astype(np.float32)
    log_prob = model.log_prob(grid).reshape(POINTS, POINTS)
    image = axes.pcolormesh(x0, x1, np.maximum(log_prob, DARKEST), cmap="Blues", shading="gouraud")
    plt.colorbar(image, ax=axes, label="log_prob, nats")


def mark_rows(axes: Axes, model: LocalModel) -> None:
    """Marks the two rows and writes their log density beside them."""
    for row, log_prob in zip(ROWS, model.log_prob(np.array(ROWS, np.float32)), strict=True):
        axes.plot(*row, "o", color="#c0392b", markersize=6)
        axes.annotate(
            f"{log_prob:.1f}",
            row,
            (9, 7),
            textcoords="offset points",
            color="#c0392b",
            fontweight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
        )


if __name__ == "__main__":
    main()
