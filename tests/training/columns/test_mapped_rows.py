"""Training rows hold each unseen bound of whole numbers once; held-out rows are drawn as they are."""

import numpy as np
import pytest

from diffeo.bundle.schema.column_kind import ColumnKind
from diffeo.training.columns.mapped_rows import MappedRows
from diffeo.training.split import split_rows

ROWS = 400
COLUMNS = ("flag", "level", "a")
FLAG = ColumnKind(integer=True, low=0.0, high=1.0)
LEVEL = ColumnKind(integer=True, low=0.0, high=5.0)


def mapped() -> MappedRows:
    """A flag that only test rows raise, a column with all its levels, and a continuous one."""
    generator = np.random.default_rng(0)
    level = generator.integers(0, 6, ROWS).astype(float)
    table = np.stack([np.zeros(ROWS), level, generator.normal(size=ROWS)], axis=1)
    table[split_rows(table, seed=0).test_rows[:3], 0] = 1
    return MappedRows.of(COLUMNS, {"flag": FLAG, "level": LEVEL}, split_rows(table, seed=0))


@pytest.mark.parametrize("seed", range(5))
def test_one_training_row_holds_the_bound_that_no_training_row_holds(seed: int) -> None:
    rows = mapped()
    numbers = rows.split.train_rows
    x = rows.column_map.decode(rows.drawn_for_training(numbers, np.random.default_rng(seed)))
    expected = rows.split.table[numbers]
    assert x[:, 0].sum() == 1
    np.testing.assert_array_equal(x[:, 1], expected[:, 1])
    np.testing.assert_allclose(x[:, 2], expected[:, 2])


def test_another_row_holds_it_in_another_draw() -> None:
    rows = mapped()
    numbers = rows.split.train_rows
    raised = {
        int(rows.column_map.decode(rows.drawn_for_training(numbers, np.random.default_rng(seed)))[:, 0].argmax())
        for seed in range(5)
    }
    assert len(raised) > 1


def test_held_out_rows_stay_as_they_are() -> None:
    rows = mapped()
    for numbers in (rows.split.validation_rows, rows.split.test_rows):
        x = rows.column_map.decode(rows.drawn(numbers, np.random.default_rng(0)))
        np.testing.assert_array_equal(x[:, :2], rows.split.table[numbers][:, :2])
