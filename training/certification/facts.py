"""Facts of a certificate: numbers that tell how steep a flow is and how far out it computes; they have no tolerance."""

from typing import Final

import numpy as np

from diffeo.bundle.base import draw
from diffeo.bundle.manifest import Fact

from .jacobians import jacobians
from .measurement import Array
from .subject import SAMPLE_SEED, Subject

JACOBIAN_ROWS: Final = 128
RADII: Final = (20.0, 50.0, 1e2, 3e2, 1e3, 1e4, 1e5, 1e6, 1e9, 1e12, 1e15)
FAR_ROWS: Final = 512
CLOSE: Final = 1e-5


def measure_facts(subject: Subject, parity_errors: Array) -> tuple[Fact, ...]:
    """The facts of a pair of graphs.

    Args:
        subject: the graphs and the flow.
        parity_errors: of data and samples (`diffeo.training.certification.checks.parity_errors`).
    """
    return (*singular_values(subject), finite_radius(subject), share_that_differs(parity_errors))


def singular_values(subject: Subject) -> tuple[Fact, Fact]:
    """The least and the greatest singular value of dz/dx on data, with x in standard deviations of each column."""
    steepness = jacobians(lambda rows: subject.flow.forward(rows)[0], subject.data[:JACOBIAN_ROWS]) * subject.scale
    values = np.linalg.svd(steepness, compute_uv=False)
    about = f"of dz/dx on {len(values)} rows of data, x in standard deviations"
    return (
        Fact(name="least_singular_value", value=float(values.min()), about=about),
        Fact(name="greatest_singular_value", value=float(values.max()), about=about),
    )


def finite_radius(subject: Subject) -> Fact:
    """The radius around the data, in standard deviations, within which every tried row has a finite answer."""
    directions = draw(SAMPLE_SEED + 4, 0, FAR_ROWS, subject.dimension).astype(np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    reached = 0.0
    for radius in RADII:
        rows = subject.data.mean(axis=0) + radius * directions * subject.scale
        if not all(np.isfinite(tensor).all() for tensor in subject.forward.run(rows).values()):
            break
        reached = radius
    return Fact(name="finite_radius", value=reached, about=f"standard deviations, {FAR_ROWS} directions, up to 1e15")


def share_that_differs(parity_errors: Array) -> Fact:
    """The share of rows of which graph and flow in float64 differ by more than 1e-5."""
    share = float((parity_errors > CLOSE).mean())
    return Fact(name="share_beyond_1e-5", value=share, about="of data and samples, relative to the flow in float64")
