"""Tables of 600 rows with columns of each kind, and the rows that a model of them may give."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_] | np.bool_

N: Final = 600


@dataclass(frozen=True)
class KindsTable:
    """A table, and what holds for every row of a sample.

    Attributes:
        columns: name -> values [n].
        holds: true for each row of a sample that may come.
        is_discrete: every column holds whole numbers.
        options: of a fit.
    """

    columns: dict[str, Rows]
    holds: Callable[[Rows], Mask]
    is_discrete: bool = False
    options: dict[str, object] = field(default_factory=dict)

    @property
    def rows(self) -> Rows:
        """All columns [n, D]."""
        return np.column_stack(list(self.columns.values()))


def _whole(x: Rows, low: float, high: float) -> npt.NDArray[np.bool_]:
    return np.asarray((x == np.rint(x)) & (low <= x) & (x <= high))


def _tables() -> dict[str, KindsTable]:
    draw = np.random.default_rng(7)
    a, b = draw.normal(size=(2, N))
    rain = np.where(draw.random(N) < 0.4, 0.0, np.exp(0.5 * draw.normal(size=N)))
    return {
        "dice": KindsTable(
            {"one": draw.integers(1, 7, N) + 0.0, "two": draw.integers(1, 7, N) + 0.0},
            lambda x: _whole(x, 1, 6).all(axis=1),
            is_discrete=True,
        ),
        "one coin": KindsTable(
            {"coin": (draw.random(N) < 0.3) + 0.0}, lambda x: _whole(x[:, 0], 0, 1), is_discrete=True
        ),
        "a flag beside numbers": KindsTable({"a": a, "flag": (a + b > 1) + 0.0}, lambda x: _whole(x[:, 1], 0, 1)),
        "many zeros": KindsTable({"a": a, "rain": rain}, lambda x: x[:, 1] >= 0),
        "clipped": KindsTable({"a": np.clip(a, -1, 1.5), "b": b}, lambda x: (x[:, 0] >= -1) & (x[:, 0] <= 1.5)),
        "unit square": KindsTable(
            {"u": draw.random(N), "v": draw.random(N)}, lambda x: ((x > 0) & (x < 1)).all(axis=1)
        ),
        "exponential": KindsTable({"t": draw.exponential(size=N), "a": a}, lambda x: x[:, 0] > 0),
        "heavy tails": KindsTable({"c": draw.standard_cauchy(N), "a": a}, lambda x: np.isfinite(x).all(axis=1)),
        "1e44": KindsTable({"e": 3e44 * np.exp(0.2 * b), "a": a}, lambda x: np.isfinite(x).all(axis=1)),
        "given bounds": KindsTable(
            {"a": 3 + np.abs(a), "b": b}, lambda x: x[:, 0] > 2.5, options={"bounds": {"a": (2.5, None)}}
        ),
    }


KINDS_TABLES: Final = _tables()
