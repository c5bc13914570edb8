"""The fast tests for finite rows agree with a test of each value, for any values and sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.runtime.finite_rows import SMALL_SIZE, all_finite, zero_invalid_rows

LARGEST = float(np.finfo(np.float32).max)
# Values on which a fast test could fail: squares that overflow, the largest float32, beyond float32, NaN, infinity.
VALUES = [0.0, 1.0, -3.5, 1e-300, 1.9e19, -1e30, LARGEST, -LARGEST, 1e39, 1e200, np.inf, -np.inf, np.nan]
SIZES = {"few": 3, "many": SMALL_SIZE // 2 + 1}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("input_dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@given(values=st.lists(st.sampled_from(VALUES), min_size=6, max_size=6), at=st.integers(0, 2))
def test_a_row_is_kept_if_the_type_of_the_graph_holds_it_and_is_zeros_if_not(
    size: int, input_dtype: str, dtype: str, values: list[float], at: int
) -> None:
    rows = with_values(values, at, size, input_dtype)
    with np.errstate(over="ignore"):
        narrow = rows.astype(dtype)
    good = np.isfinite(narrow).all(axis=1)
    kept, mask = zero_invalid_rows(rows, np.dtype(dtype))
    assert kept.dtype == dtype
    np.testing.assert_array_equal(kept, np.where(good[:, None], narrow, 0))
    if good.all():
        assert mask is None
    else:
        assert mask is not None
        np.testing.assert_array_equal(mask, good)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@given(values=st.lists(st.sampled_from(VALUES), min_size=6, max_size=6), at=st.integers(0, 2))
def test_all_finite_agrees_with_a_test_of_each_value(size: int, dtype: str, values: list[float], at: int) -> None:
    tensor = with_values(values, at, size, dtype)
    finite = bool(np.isfinite(tensor).all())
    assert all_finite({"x": tensor}) == finite
    assert all_finite({"log_prob": np.zeros(size, np.float32), "x": tensor}) == finite


def with_values(values: list[float], at: int, size: int, dtype: str) -> np.ndarray:
    """[size, 2] of zeros, except three rows with these values at the beginning, in the middle or at the end."""
    rows = np.zeros((size, 2))
    begin = at * (size - 3) // 2
    rows[begin : begin + 3] = np.reshape(values, (3, 2))
    with np.errstate(over="ignore"):
        return rows.astype(dtype)
