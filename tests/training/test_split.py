"""Rows are split 80 %, 10 % and 10 % by seed alone; parts are disjoint, and weights count rows as often as they say."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.training import split

Rows = npt.NDArray[np.float64]


def normal(rows: int, columns: int) -> Rows:
    return np.random.default_rng(0).normal(size=(rows, columns))


@given(count=st.integers(0, 300), seed=st.integers(0, 2**63))
def test_a_split_is_the_rows_in_another_order_80_10_10(count: int, seed: int) -> None:
    rows = np.column_stack([np.arange(count), -np.arange(count)]).astype(np.float64)
    parts = split.split_rows(rows, seed)
    assert len(parts.validation) == len(parts.test) == count // 10
    joined = np.concatenate([parts.train, parts.validation, parts.test])
    np.testing.assert_array_equal(joined[np.argsort(joined[:, 0])], rows)


@given(seed=st.integers(0, 2**63))
def test_the_same_seed_splits_alike_and_another_seed_does_not(seed: int) -> None:
    rows = np.arange(1000.0).reshape(500, 2)
    one, same, other = split.split_rows(rows, seed), split.split_rows(rows, seed), split.split_rows(rows, seed + 1)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(one, part), getattr(same, part))
        assert not np.array_equal(getattr(one, part), getattr(other, part))


def test_a_split_is_the_same_as_in_earlier_releases() -> None:
    parts = split.split_rows(np.arange(20.0).reshape(20, 1), 0)
    assert [part.ravel().tolist() for part in (parts.validation, parts.test)] == [[19, 9], [0, 8]]


def test_a_split_does_not_change_the_given_rows() -> None:
    rows = np.arange(1000.0).reshape(500, 2)
    split.split_rows(rows, 0)
    np.testing.assert_array_equal(rows, np.arange(1000.0).reshape(500, 2))


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
