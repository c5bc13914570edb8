"""Every law of the study has the right density, and a table must be the file with the right digest."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from diffeo.training import source
from diffeo.training.errors import DataMissing, UnreadableFile
from diffeo.training.study import populations
from diffeo.training.study.populations import LAWS, Arcs, RotatedMoons, Table, available, population
from diffeo.training.targets import Moons

TWO_COLUMNS = [name for name in LAWS if name != "product of moons"]


@pytest.mark.parametrize("name", TWO_COLUMNS)
def test_every_density_with_two_columns_integrates_to_one(name: str) -> None:
    law = LAWS[name]
    axis = np.arange(-2.0, 2.8, 0.5 * law.noise)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    assert np.exp(law.log_prob(grid)).sum() * (0.5 * law.noise) ** 2 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_the_rows_of_a_law_have_its_entropy(name: str) -> None:
    # The mean of -log p over rows of the law is its entropy. Rows of another law of the study would give another mean.
    law = LAWS[name]
    loss = -law.log_prob(law.draw(4000, source.stream(1, "test")))
    assert abs(loss.mean() - law.entropy()) < 5 * loss.std() / np.sqrt(len(loss))


def test_two_arcs_without_a_gap_are_the_moons() -> None:
    moons, arcs = Moons(0.05), populations._moons_apart(0.0)  # noqa: SLF001  (the first of the series, which must equal the moons)
    rows = moons.draw(500, source.stream(2, "test"))
    np.testing.assert_allclose(arcs.log_prob(rows), moons.log_prob(rows), atol=1e-8)


def test_circles_opened_by_zero_degrees_are_the_circles() -> None:
    opened = populations._opened_circles(0.0)  # noqa: SLF001  (as above)
    rows = LAWS["circles"].draw(500, source.stream(2, "test"))
    np.testing.assert_allclose(opened.log_prob(rows), LAWS["circles"].log_prob(rows), atol=1e-8)


def test_no_rows_lie_in_the_opening_of_a_circle() -> None:
    law = LAWS["circles, opened by 90 degrees"]
    assert isinstance(law, Arcs)
    rows = law.draw(5000, source.stream(3, "test"))
    angle = np.degrees(np.abs(np.arctan2(rows[:, 1], rows[:, 0])))
    assert (angle < 20).mean() < 0.001


def test_a_rotation_mixes_every_column_and_keeps_the_entropy() -> None:
    law = RotatedMoons(0.05)
    assert law.entropy() == pytest.approx(4 * Moons(0.05).entropy())
    rows = law.draw(4000, source.stream(4, "test"))
    assert (np.abs(np.corrcoef(rows.T) - np.eye(8)).max(axis=1) > 0.1).all()


def test_the_seed_changes_the_training_rows_but_not_the_test_rows() -> None:
    one, two = (population("moons", 100, seed, None) for seed in (0, 1))
    assert not np.array_equal(one.train, two.train)
    assert np.array_equal(one.test, two.test)
    assert np.array_equal(population("moons", 100, 0, None).train, one.train)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = np.random.default_rng(0).standard_normal((900, 3))
    np.savez(tmp_path / "some.npz", X=rows, y=np.arange(900) % 3 == 0)
    digest = hashlib.sha256((tmp_path / "some.npz").read_bytes()).hexdigest()
    monkeypatch.setitem(populations.TABLES, "some", Table("some.npz", digest, "drawn here"))
    return tmp_path


def test_a_table_has_only_normal_rows_and_the_same_split_for_every_seed(folder: Path) -> None:
    one, two = (population("some", 1000, seed, folder) for seed in (0, 1))
    assert len(one.train) + len(one.validation) + len(one.test) == 600
    assert np.array_equal(one.train, two.train)
    assert one.truth is None


def test_a_table_gives_at_most_the_requested_training_rows(folder: Path) -> None:
    every, some = (population("some", rows, 0, folder) for rows in (1000, 100))
    assert np.array_equal(some.train, every.train[:100])
    assert np.array_equal(some.test, every.test)


def test_a_missing_table_is_named_in_the_error(folder: Path, tmp_path: Path) -> None:
    assert available("some", folder)
    assert not available("some", None)
    with pytest.raises(DataMissing, match=r"no some\.npz .* --data"):
        population("some", 1, 0, None)
    (tmp_path / "some.npz").unlink()
    assert not available("some", folder)
    with pytest.raises(DataMissing, match=r"some\.npz"):
        population("some", 1, 0, folder)


def test_a_table_with_another_digest_is_refused(folder: Path) -> None:
    np.savez(folder / "some.npz", X=np.zeros((9, 3)), y=np.zeros(9))
    with pytest.raises(UnreadableFile, match="sha256"):
        population("some", 1, 0, folder)
