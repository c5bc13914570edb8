"""Rows with a density are accepted; rows without one are refused with the names of the columns. Splits are disjoint."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.training import data, split
from diffeo.training.errors import (
    CollinearColumns,
    ConstantColumn,
    DataError,
    TooFewColumns,
    TooFewRows,
)

Rows = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def normal(rows: int, columns: int) -> Rows:
    return np.random.default_rng(0).normal(size=(rows, columns))


def check(*columns: npt.NDArray[np.floating]) -> None:
    rows = np.column_stack(columns).astype(np.float64)
    data.check(data.Table(tuple("abcdefgh"[: rows.shape[1]]), rows, ""), "houses.csv")


def six_digits(column: Rows) -> Rows:
    return np.array([float(f"{value:.6g}") for value in column])


# Rows that are accepted


A, B, C = normal(1000, 3).T

FIT: dict[str, Callable[[], None]] = {
    "two independent columns": lambda: check(A, B),
    "500 rows": lambda: check(normal(500, 8)),
    "correlation 0.9999": lambda: check(A, 0.9999 * A + np.sqrt(1 - 0.9999**2) * B),
    "correlation 0.999999": lambda: check(A, 0.999999 * A + np.sqrt(1 - 0.999999**2) * B),
    "a curve": lambda: check(A, A**2),
    "a sum with a little noise": lambda: check(A, B, A + B + 1e-2 * C),
    "units far apart": lambda: check(1e-300 * A, 1e300 * B),
    "sums beyond float64": lambda: check(1e307 * A, B),
    "a large mean": lambda: check(1e9 + A, B),
    "a column that is nearly always 0": lambda: check(A, np.arange(1000) == 7),
}


@pytest.mark.parametrize("accept", FIT.values(), ids=FIT.keys())
def test_rows_with_a_density_pass(accept: Callable[[], None]) -> None:
    accept()


UNFIT: dict[str, tuple[list[npt.NDArray[np.floating]], type[DataError], list[str]]] = {
    "one column": ([A], TooFewColumns, ["columns found: 1", "at least 2"]),
    "499 rows": ([A[:499], B[:499]], TooFewRows, ["rows found: 499", "500"]),
    "no rows": ([A[:0], B[:0]], TooFewRows, ["rows found: 0"]),
    "a constant": ([A, np.full(1000, 2.5)], ConstantColumn, ["'b'", "2.5"]),
    "a constant 0": ([np.zeros(1000), A], ConstantColumn, ["'a'", "holds 0;"]),
    "a constant up to rounding": ([A, np.where(A > 0, 0.3, 0.1 + 0.2)], ConstantColumn, ["'b'", "0.3"]),
    "two constants": ([A, B * 0, C * 0], ConstantColumn, ["'b'"]),
    "a copy": ([A, B, A], CollinearColumns, ["'c'", "'a'"]),
    "a negated copy": ([A, -A], CollinearColumns, ["'b'", "'a'"]),
    "2 a + 1": ([A, B, 2 * A + 1], CollinearColumns, ["'c'", "combination of 'a';"]),
    "2 a + 1 in 6 digits": ([six_digits(A), six_digits(2 * A + 1)], CollinearColumns, ["'b'", "'a'"]),
    "2 a + 1 in 6 digits, means 10 spreads from 0": (
        [six_digits(100 + 10 * A), six_digits(201 + 20 * A)],
        CollinearColumns,
        ["'b'", "'a'"],
    ),
    "2 a + 1 in 6 decimals": ([A.round(6), (2 * A + 1).round(6)], CollinearColumns, ["'b'", "'a'"]),
    "2 a + 1 in float32": ([A.astype("f4"), (2 * A + 1).astype("f4")], CollinearColumns, ["'b'", "'a'"]),
    "kelvin and celsius": ([293.15 + 8 * A, 20 + 8 * A], CollinearColumns, ["'b'", "'a'"]),
    "units far apart": ([1e-200 * A, B, 1e200 * A], CollinearColumns, ["'c'", "'a'"]),
    "a sum": ([A, C, B, six_digits(A - 3 * B)], CollinearColumns, ["'d'", "combination of 'a', 'c';"]),
    "a sum with one small part": ([A, A + 1e-3 * B, B], CollinearColumns, ["'c'", "combination of 'a', 'b';"]),
    "shares of 1": ([A, B, 1 - A - B], CollinearColumns, ["'c'", "combination of 'a', 'b';"]),
    "two sets": ([A, B, 2 * A, C, 3 * B], CollinearColumns, ["'c'", "combination of 'a';"]),
}


@pytest.mark.parametrize(("columns", "error", "words"), UNFIT.values(), ids=UNFIT.keys())
def test_rows_without_a_density_are_refused(
    columns: list[npt.NDArray[np.floating]], error: type[DataError], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        check(*columns)
    assert all(word in str(caught.value) for word in ["houses.csv", *words]), str(caught.value)


def test_every_column_requires_20_rows() -> None:
    rows = normal(600, 30)
    columns = tuple(f"x{index}" for index in range(30))
    data.check(data.Table(columns, rows, ""), "houses.csv")
    with pytest.raises(TooFewRows, match="rows found: 599; 30 columns take at least 600"):
        data.check(data.Table(columns, rows[:599], ""), "houses.csv")


def test_read_checked_reads_and_checks(folder: Path) -> None:
    path = folder / "houses.csv"
    np.savetxt(path, np.column_stack([A, B]), fmt="%.17g", delimiter=",", header="a,b", comments="")
    assert data.read_checked(path).rows.tobytes() == np.column_stack([A, B]).tobytes()
    np.savetxt(path, np.column_stack([A, A]), fmt="%.17g", delimiter=",", header="a,b", comments="")
    with pytest.raises(CollinearColumns, match=r"houses\.csv, column 'b'"):
        data.read_checked(path)


# How rows are split


@given(count=st.integers(0, 300), seed=st.integers(0, 2**63))
def test_a_split_is_the_rows_in_another_order_80_10_10(count: int, seed: int) -> None:
    rows = np.column_stack([np.arange(count), -np.arange(count)]).astype(np.float64)
    parts = data.split(rows, seed)
    assert len(parts.validation) == len(parts.test) == count // 10
    joined = np.concatenate([parts.train, parts.validation, parts.test])
    np.testing.assert_array_equal(joined[np.argsort(joined[:, 0])], rows)


@given(seed=st.integers(0, 2**63))
def test_the_same_seed_splits_alike_and_another_seed_does_not(seed: int) -> None:
    rows = np.arange(1000.0).reshape(500, 2)
    one, same, other = data.split(rows, seed), data.split(rows, seed), data.split(rows, seed + 1)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(one, part), getattr(same, part))
        assert not np.array_equal(getattr(one, part), getattr(other, part))


def test_a_split_is_the_same_as_in_earlier_releases() -> None:
    parts = data.split(np.arange(20.0).reshape(20, 1), 0)
    assert [part.ravel().tolist() for part in (parts.validation, parts.test)] == [[19, 9], [0, 8]]


def test_a_split_does_not_change_the_given_rows() -> None:
    rows = np.arange(1000.0).reshape(500, 2)
    data.split(rows, 0)
    np.testing.assert_array_equal(rows, np.arange(1000.0).reshape(500, 2))


@given(count=st.integers(1, 300), seed=st.integers(0, 2**63))
def test_a_split_of_row_numbers_is_the_split_of_the_rows(count: int, seed: int) -> None:
    rows = np.column_stack([np.arange(count), -np.arange(count)]).astype(np.float64)
    numbers, copies = split.split_rows(rows, seed), data.split(rows, seed)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(numbers, part), getattr(copies, part))


def test_a_large_table_holds_out_no_more_rows_than_a_loss_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "MOST_VALIDATION_ROWS", 10)
    monkeypatch.setattr(split, "MOST_TEST_ROWS", 20)
    parts = split.split_rows(normal(1000, 2), 0)
    assert (len(parts.validation_rows), len(parts.test_rows)) == (10, 20)
    joined = np.concatenate([parts.train_rows, parts.validation_rows, parts.test_rows])
    assert sorted(joined) == list(range(1000))


@pytest.mark.parametrize("block", [7, 1000])
def test_weights_count_a_row_as_often_as_they_say(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "BLOCK_ROWS", block)
    rows, often = normal(500, 3), np.random.default_rng(1).integers(0, 4, 500)
    parts = split.split_rows(rows, 0, often.astype(np.float64))
    mean, scale = parts.moments()
    repeated = np.repeat(rows[parts.train_rows], often[parts.train_rows], axis=0)
    np.testing.assert_allclose(mean, repeated.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(scale, repeated.std(axis=0), atol=1e-12)
    weights = parts.weights_of(parts.test_rows)
    assert weights is not None
    assert weights.mean() == pytest.approx(1.0)


@pytest.mark.parametrize("block", [7, 1000])
def test_the_moments_do_not_depend_on_the_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "BLOCK_ROWS", block)
    parts = split.split_rows(1e6 + normal(500, 3).astype(np.float32), 0)
    mean, scale = parts.moments()
    np.testing.assert_allclose(mean, parts.train.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(scale, parts.train.std(axis=0), rtol=1e-9)
