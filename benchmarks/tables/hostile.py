"""A hundred hostile tables: far cells, constant, doubled and nearly collinear columns, few rows, many columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]

N: Final = 600


@dataclass(frozen=True)
class Hostile:
    """A table and how it is fitted.

    Attributes:
        name: of the table.
        rows: its rows [n, D].
        learning_rate: factor of the learning rate of the default recipe.
    """

    name: str
    rows: Rows
    learning_rate: float = 1.0


def hostile_tables() -> list[Hostile]:
    """All tables; the same on every machine."""
    return [
        *_far_cells(), *_constant(), *_doubled(), *_collinear(), *_few_rows(), *_many_columns(), *_units(),
        *_repeated(), *_shapes(), *_high_learning_rates(),
    ]  # fmt: skip


def _normal(seed: int, rows: int = N, columns: int = 3) -> Rows:
    mixing = np.random.default_rng(seed + 1000).normal(size=(columns, columns))
    return np.random.default_rng(seed).normal(size=(rows, columns)) @ mixing


def _far_cells() -> Iterator[Hostile]:
    for power in (3, 6, 9, 12, 15, 18, 21, 24, 27, 30):
        for cells in (1, 20):
            rows = _normal(power)
            rows[5 : 5 + cells, 1] = 10.0**power * np.linspace(1, 2, cells)
            yield Hostile(f"{cells} cells of 1e{power}", rows)
    both = _normal(40)
    both[3, 0], both[9, 2] = -1e20, 1e25
    yield Hostile("far cells in two columns", both)


def _constant() -> Iterator[Hostile]:
    for value in (0.0, 1.0, 1e30, -7.5e-30):
        rows = _normal(50)
        rows[:, 2] = value
        yield Hostile(f"a constant {value:g}", rows)
    for spread in (1e-9, 1e-6, 1e-3):
        rows = _normal(51)
        rows[:, 2] = 1e6 + spread * rows[:, 2]
        yield Hostile(f"1e6 plus {spread:g}", rows)
    rare = _normal(52)
    rare[:, 2] = 0.0
    rare[7, 2] = 1.0
    yield Hostile("one row that is not 0", rare)


def _doubled() -> Iterator[Hostile]:
    rows = _normal(60)
    yield Hostile("a column twice", np.column_stack([rows, rows[:, 0]]))
    yield Hostile("a column and its negative", np.column_stack([rows, -rows[:, 0]]))
    yield Hostile("a column in two units", np.column_stack([rows, 1000 * rows[:, 0] + 3]))
    yield Hostile("all columns twice", np.column_stack([rows, rows]))


def _collinear() -> Iterator[Hostile]:
    for power in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12):
        rows = _normal(70 + power)
        noise = np.random.default_rng(power).normal(size=len(rows))
        yield Hostile(f"a sum with noise 1e-{power}", np.column_stack([rows, rows.sum(axis=1) + 10.0**-power * noise]))


def _few_rows() -> Iterator[Hostile]:
    for rows, columns in (
        (30, 1),
        (30, 2),
        (30, 5),
        (30, 10),
        (30, 29),
        (50, 3),
        (60, 20),
        (9, 2),
        (100, 50),
        (200, 100),
    ):
        yield Hostile(f"{rows} rows of {columns} columns", _normal(80, rows, columns))


def _many_columns() -> Iterator[Hostile]:
    for rows in (300, 1000, 3000):
        yield Hostile(f"200 columns, {rows} rows", _normal(90, rows, 200))
    yield Hostile("200 independent columns", np.random.default_rng(91).normal(size=(1000, 200)))


def _units() -> Iterator[Hostile]:
    for power in (-50, -40, -30, -20, 20, 30, 38, 40, 44):
        rows = _normal(100)
        rows[:, 1] = 10.0**power * np.exp(0.3 * rows[:, 1])
        yield Hostile(f"a column of 1e{power}", rows)
    yield Hostile("columns from 1e-50 to 1e44", _normal(101) * [1e-50, 1.0, 1e44])
    yield Hostile("numbers near the largest one", 1.7e308 * np.tanh(_normal(102)))
    yield Hostile("the smallest numbers", 5e-324 * np.round(1e3 * _normal(103)))
    yield Hostile("1.7e9 plus 10", 1.7e9 + 10 * _normal(104))


def _repeated() -> Iterator[Hostile]:
    rows = _normal(110)
    for times in (2, 20):
        yield Hostile(f"each row {times} times", np.repeat(rows[: N // times], times, axis=0))
    yield Hostile("one row 300 times", np.concatenate([rows[:300], np.repeat(rows[:1], 300, axis=0)]))
    yield Hostile("rounded to whole numbers", np.round(rows))
    yield Hostile("rounded to halves", np.round(2 * rows) / 2)


def _shapes() -> Iterator[Hostile]:
    draw = np.random.default_rng(120)
    yield Hostile("cauchy", draw.standard_cauchy((N, 3)))
    yield Hostile("pareto", 1 + draw.pareto(0.5, (N, 2)))
    yield Hostile("two far clusters", np.concatenate([draw.normal(size=(300, 2)), 1e6 + draw.normal(size=(300, 2))]))
    yield Hostile("a thin ring", np.column_stack([np.cos(t := 2 * np.pi * draw.random(N)), np.sin(t)]))
    yield Hostile("a curve", np.column_stack([t, np.sin(t)]))
    yield Hostile("a lattice", draw.integers(0, 3, (N, 4)) * [0.5, 1.5, 2.5, 3.5])
    yield Hostile("powers of two", 2.0 ** draw.integers(-60, 60, (N, 2)))
    yield Hostile("flags", (draw.random((N, 6)) < [0.5, 0.1, 0.9, 0.3, 0.02, 0.5]) + 0.0)
    yield Hostile("shares of 1", draw.dirichlet([1, 2, 3, 4], N))
    yield Hostile("almost always 0", draw.normal(size=(N, 3)) * draw.binomial(1, 0.03, (N, 3)))
    yield Hostile("a uniform cube", draw.random((N, 3)))
    yield Hostile("exponential", draw.exponential(size=(N, 3)))
    yield Hostile("clipped on both sides", np.clip(draw.normal(size=(N, 2)), -0.5, 0.5))
    yield Hostile("counts to a million", draw.poisson(np.exp(13 * draw.random((N, 2)))) + 0.0)
    yield Hostile("one column", draw.normal(size=(N, 1)) ** 3)
    yield Hostile("one column that is always 1 or 1e300", 1e300 ** draw.integers(0, 2, (N, 1)))
    flag = draw.integers(0, 2, N)
    yield Hostile("a flag that decides a column", np.column_stack([flag, 9 * flag + draw.normal(size=N)]))
    yield Hostile("log-normal over thirty decades", np.exp(12 * draw.normal(size=(N, 2))))


def _high_learning_rates() -> Iterator[Hostile]:
    for factor in (10.0, 30.0, 100.0, 300.0, 1000.0):
        yield Hostile(f"learning rate x {factor:g}", _normal(130), factor)
    bent = _normal(131, 2000, 2)
    bent[:, 1] += bent[:, 0] ** 2
    yield Hostile("a bend, learning rate x 100", bent, 100.0)
    yield Hostile("cauchy, learning rate x 100", np.random.default_rng(132).standard_cauchy((N, 2)), 100.0)
