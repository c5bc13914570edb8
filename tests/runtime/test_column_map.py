"""The laws of a column map, for each kind of column and for rows of many kinds."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.bundle.schema.column_kind import ColumnKind
from diffeo.runtime import column_map as runtime_map
from diffeo.runtime.atom_widths import propose_widths
from diffeo.runtime.column_map import ColumnMap, Reason
from tests.given.flows.kinds import KINDS, column_map

Rows = npt.NDArray[np.float64]

NAMES = list(KINDS)
EXTREME = [0.0, 1.0, -1.0, 30.0, -30.0, 300.0, -300.0, 800.0, -800.0, 1e10, -1e10, 1e38, -1e38]


def drawn(name: str, count: int = 2000, scale: float = 2.0) -> Rows:
    """Values of a column of this kind [count, 1], from normal y."""
    return column_map(name).decode(scale * np.random.default_rng(1).normal(size=(count, 1)))


def is_snapped(kind: ColumnKind, x: Rows) -> npt.NDArray[np.bool_]:
    return np.isin(x, [atom.value for atom in kind.atoms]) | kind.integer


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back_is_exact_for_snapped_values_and_close_for_the_others(name: str) -> None:
    mapped, x = column_map(name), drawn(name)
    y, log_factor, is_supported = mapped.encode(x)
    assert is_supported.all()
    assert np.isfinite(y).all()
    assert np.isfinite(log_factor).all()
    back, snapped = mapped.decode(y), is_snapped(KINDS[name], x)
    np.testing.assert_array_equal(back[snapped], x[snapped])
    np.testing.assert_allclose(back, x, rtol=1e-9, atol=1e-12 * np.abs(x).max())


@pytest.mark.parametrize("name", NAMES)
def test_the_graphs_may_hold_y_in_float32_and_snapped_values_come_back(name: str) -> None:
    mapped, x = column_map(name), drawn(name)
    snapped = is_snapped(KINDS[name], x)
    back = mapped.decode(mapped.encode(x).y.astype(np.float32).astype(np.float64))
    np.testing.assert_array_equal(back[snapped], x[snapped])


@pytest.mark.parametrize("name", [name for name in NAMES if not KINDS[name].integer])
def test_the_log_factor_of_a_continuous_value_is_the_log_derivative(name: str) -> None:
    kind, mapped = KINDS[name], column_map(name)
    x = drawn(name, scale=0.8)
    x = x[~is_snapped(kind, x)][:, None]
    log_factor = mapped.log_factor(x)
    step = 1e-5 * np.exp(-log_factor)[:, None]
    ahead, behind = x + step, x - step
    # A step over an atom or a bound has no derivative.
    atoms = [atom.value for atom in kind.atoms]
    is_free = np.array(
        [not any(low <= atom <= high for atom in atoms) for low, high in zip(behind, ahead, strict=True)]
    )
    is_free &= mapped.encode(ahead).is_supported & mapped.encode(behind).is_supported
    assert is_free.sum() > len(x) / 2
    rise = mapped.encode(ahead).y - mapped.encode(behind).y
    derivative = (rise / (ahead - behind))[is_free, 0]
    np.testing.assert_allclose(np.log(derivative), log_factor[is_free], atol=1e-4, rtol=1e-6)
    np.testing.assert_allclose(mapped.log_slope(mapped.encode(x).y), log_factor, rtol=1e-6, atol=1e-6)


def logistic(y: Rows, centre: float, scale: float) -> Rows:
    """Log density of the logistic law of y."""
    t = np.abs(y - centre) / scale
    nats: Rows = -t - 2 * np.log1p(np.exp(-t)) - np.log(scale)
    return nats


# Laws of y that are wide beside the intervals, so that the middle of an interval stands for it.
WIDE = {
    "above": (0.0, 1.0), "below": (0.0, 1.0), "between": (0.5, 1.0), "far between": (0.0, 1.0), "tails": (0.0, 1.0),
    "integer": (3.0, 20.0), "count": (4.0, 0.5), "dice": (0.0, 1.0), "integer tails": (0.0, 1.0), "zero": (0.0, 4.0),
    "zero-inflated": (1.0, 0.8), "clipped": (0.0, 1.0), "three atoms": (-1.5, 0.6), "atom tails": (0.0, 1.0),
    "huge": (0.0, 1.0), "tiny": (0.0, 1.0), "seconds": (0.0, 1.0), "huge zero-inflated": (2.0, 0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_masses_of_all_atoms_and_whole_numbers_and_the_integral_of_the_rest_are_one(name: str) -> None:
    kind, mapped, (centre, scale) = KINDS[name], column_map(name), WIDE[name]
    y = centre + scale * np.linspace(-25, 25, 200_001)[:, None]
    x = np.unique(mapped.decode(y))
    x = x[np.isfinite(x)]
    points = x[is_snapped(kind, x)]

    def density(values: Rows) -> Rows:
        rows = values[:, None]
        encoded = mapped.encode(rows)
        return np.where(encoded.is_supported, np.exp(logistic(encoded.y[:, 0], centre, scale) + encoded.log_factor), 0)

    mass = float(density(points).sum()) if len(points) else 0.0
    if not kind.integer:
        middle = x[:-1] + np.diff(x) / 2
        mass += float((density(middle) * np.diff(x)).sum())
    assert abs(mass - 1) < 0.01


def test_six_equal_faces_have_a_sixth_of_the_mass_each() -> None:
    # The logit of a uniform number follows the logistic law.
    y, log_factor, _ = column_map("dice").encode(np.arange(1.0, 7.0)[:, None])
    np.testing.assert_allclose(np.exp(logistic(y[:, 0], 0, 1) + log_factor), np.full(6, 1 / 6), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_larger_y_never_gives_a_smaller_x(name: str) -> None:
    y = np.sort(np.random.default_rng(2).normal(scale=5, size=5000))[:, None]
    assert (np.diff(column_map(name).decode(y)[:, 0]) >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_y_leaves_the_bounds_and_every_x_that_comes_out_has_a_density(name: str) -> None:
    kind, mapped = KINDS[name], column_map(name)
    drawn_y = np.random.default_rng(3).normal(scale=40, size=(5000, 1))
    x = mapped.decode(np.concatenate([np.array(EXTREME)[:, None], drawn_y]))
    x = x[np.isfinite(x).all(axis=1)]
    assert len(x) > 100
    assert (x >= (-np.inf if kind.low is None else kind.low)).all()
    assert (x <= (np.inf if kind.high is None else kind.high)).all()
    if kind.integer:
        np.testing.assert_array_equal(x, np.rint(x))
    assert not np.signbit(x[x == 0]).any()
    encoded = mapped.encode(x)
    assert encoded.is_supported.all()
    assert np.isfinite(encoded.y).all()
    assert np.isfinite(encoded.log_factor).all()


@pytest.mark.parametrize("y", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NAMES)
def test_a_y_that_is_not_finite_has_no_x(name: str, y: float) -> None:
    assert np.isnan(column_map(name).decode(np.array([[y]]))).all()


WITHOUT_DENSITY: list[tuple[str, float, Reason]] = [
    ("above", 0.0, "outside_bounds"),
    ("above", -1.0, "outside_bounds"),
    ("below", -3.0, "outside_bounds"),
    ("between", 1.0, "outside_bounds"),
    ("between", 1e300, "outside_bounds"),
    ("count", -1.0, "outside_bounds"),
    ("dice", 7.0, "outside_bounds"),
    ("dice", 2.5, "not_a_whole_number"),
    ("dice", 0.5, "outside_bounds"),
    ("integer", 1234567.4, "not_a_whole_number"),
    ("integer", 1 + 1e-5, "not_a_whole_number"),
    ("zero-inflated", -1e-30, "outside_bounds"),
    ("clipped", 0.05, "outside_bounds"),
    ("three atoms", 4.0, "outside_bounds"),
    ("tiny", 1e-50, "outside_bounds"),
]


@pytest.mark.parametrize(("name", "x", "reason"), WITHOUT_DENSITY)
def test_a_value_of_density_zero_is_named_with_its_reason(name: str, x: float, reason: Reason) -> None:
    mapped, rows = column_map(name), np.array([[x], drawn(name, 1)[0]])
    assert mapped.encode(rows).is_supported.tolist() == [False, True]
    assert mapped.reasons(rows) == [reason, None]
    assert np.isnan(mapped.training_rows(rows, np.full((2, 1), 0.5))[:, 0]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "x", "same"),
    [("clipped", 0.1, np.float32(0.1)), ("integer", 12.0, 12 + 1e-6), ("count", 1e6, 1e6 + 0.1)],
)
def test_a_number_that_lost_its_last_digits_is_the_value_that_it_was(name: str, x: float, same: float) -> None:
    one, other = (column_map(name).encode(np.array([[value]], np.float64)) for value in (x, same))
    assert one.y.tobytes() == other.y.tobytes()
    assert one.log_factor.tobytes() == other.log_factor.tobytes()


@pytest.mark.parametrize("uniform", [0.0, 2.0**-53, 0.3, 1 - 2.0**-53])
@pytest.mark.parametrize("name", NAMES)
def test_any_place_of_an_interval_goes_back_to_its_value(name: str, uniform: float) -> None:
    mapped, x = column_map(name), drawn(name)
    y, snapped = mapped.training_rows(x, np.full(x.shape, uniform)), is_snapped(KINDS[name], x)
    assert np.isfinite(y).all()
    # At the very end of an interval, s may be a rounding away from it.
    if uniform == 0.3:
        np.testing.assert_array_equal(mapped.decode(y)[snapped], x[snapped])
    np.testing.assert_array_equal(y[~snapped], mapped.encode(x).y[~snapped])


def test_the_middle_of_every_interval_is_the_representative() -> None:
    mapped, x = column_map(*NAMES), np.hstack([drawn(name, 50) for name in NAMES])
    np.testing.assert_array_equal(mapped.training_rows(x, np.full(x.shape, 0.5)), mapped.encode(x).y)


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_a_row_has_the_same_bits_in_every_batch(sizes: list[int]) -> None:
    names = [*NAMES, None] * 3
    x = np.hstack([drawn(name or "zero", 72) for name in names])
    mapped, edges = column_map(*names), [0, *itertools.accumulate(sizes)]
    whole = mapped.encode(x[: edges[-1]])
    parts = [mapped.encode(x[begin:end]) for begin, end in itertools.pairwise(edges)]
    for index in (0, 1):
        assert b"".join(part[index].tobytes() for part in parts) == whole[index].tobytes()
    assert b"".join(mapped.decode(part.y).tobytes() for part in parts) == mapped.decode(whole.y).tobytes()
    assert b"".join(mapped.log_slope(part.y).tobytes() for part in parts) == mapped.log_slope(whole.y).tobytes()


@pytest.mark.parametrize("numbers", [1, 100, 2**14])
def test_rows_are_mapped_in_blocks_with_the_same_bits(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    mapped, x = column_map(*NAMES), np.hstack([drawn(name, 40) for name in NAMES])
    x[7] = np.nan
    uniform = np.random.default_rng(9).random(x.shape)
    expected = [*mapped.encode(x), mapped.training_rows(x, uniform)]
    monkeypatch.setattr(runtime_map, "BLOCK_NUMBERS", numbers)
    found = [*mapped.encode(x), mapped.training_rows(x, uniform)]
    assert [values.tobytes() for values in found] == [values.tobytes() for values in expected]
    assert mapped.decode(mapped.encode(x).y).shape == x.shape
    assert mapped.decode(np.zeros((0, len(NAMES)))).shape == (0, len(NAMES))
    assert not mapped.encode(x).is_supported[7]


def test_columns_do_not_mix_and_a_plain_column_stays_as_it_is() -> None:
    names = [*NAMES, None]
    x = np.hstack([*(drawn(name, 50) for name in NAMES), np.random.default_rng(4).normal(size=(50, 1))])
    together = column_map(*names).encode(x)
    alone = [column_map(name).encode(x[:, [index]]) for index, name in enumerate(names)]
    np.testing.assert_array_equal(together.y, np.hstack([one.y for one in alone]))
    np.testing.assert_allclose(together.log_factor, np.sum([one.log_factor for one in alone], axis=0), rtol=1e-12)
    np.testing.assert_array_equal(together.y[:, -1], x[:, -1])
    np.testing.assert_array_equal(column_map(*names).decode(together.y)[:, -1], x[:, -1])


def test_a_map_without_kinds_changes_nothing() -> None:
    x = np.random.default_rng(5).normal(size=(4, 3))
    y, log_factor, is_supported = ColumnMap.of(["a", "b", "c"], {}).encode(x)
    assert y.tobytes() == x.tobytes()
    assert (log_factor.tolist(), is_supported.tolist()) == ([0.0] * 4, [True] * 4)


@pytest.mark.parametrize(
    ("share", "continuous"),
    [
        (0.3, np.random.default_rng(6).normal(size=7000)),
        (0.05, np.random.default_rng(7).exponential(size=9500)),
        (0.9, np.random.default_rng(8).exponential(scale=1e-20, size=1000)),
    ],
    ids=["in the middle", "at a bound", "most of the rows"],
)
def test_a_proposed_width_gives_the_atom_the_density_beside_it(share: float, continuous: Rows) -> None:
    atoms = np.zeros(round(len(continuous) * share / (1 - share)))
    rows = len(atoms) + len(continuous)
    (width,) = propose_widths(np.concatenate([continuous, atoms]), [0.0])
    near = np.sort(np.abs(continuous))[: len(continuous) // 10]
    sides = 2 if continuous.min() < 0 else 1
    assert len(atoms) / rows / width == pytest.approx(len(near) / rows / (sides * near[-1]), rel=0.1)


@pytest.mark.parametrize("values", [[0.0], [0.0, 1.0], [5.0] * 40, [*[5.0] * 40, *np.full(40, 5.0 + 1e-15)]])
def test_a_column_without_a_density_gets_widths_that_are_valid(values: list[float]) -> None:
    atoms = sorted(set(values))[:1]
    (width,) = propose_widths(values, atoms)
    assert ColumnKind.model_validate({"atoms": ({"value": atoms[0], "width": width},)}).snaps
