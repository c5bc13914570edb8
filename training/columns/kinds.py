"""The kind of each column for the manifest, from the kind that a look at the table proposed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from diffeo.bundle.schema.column_kind import LARGEST, SMALLEST, Affine, Atom, ColumnKind, Tails
from diffeo.runtime.atom_widths import propose_widths
from diffeo.runtime.column_map import ColumnMap

from .. import inspection
from ..errors import DataError

Vector = npt.NDArray[np.float64]

# The quartiles of N(0, 1) are 1.349 apart.
NORMAL_QUARTILE_RANGE: Final = 1.3489795003921634
# Numbers and spreads between these are computed in float32 without loss, squares and sums included.
SAFE: Final = (1e-15, 1e15)
# In a column of atoms alone, their intervals are so many times as wide as the gaps between them.
ALONE: Final = 1000.0
# The certificate needs so many rounding errors of float64 in a spread.
LEAST_DIGITS: Final = 1e4
# A column whose median is this many spreads from zero has fewer than 12 of float32's 24 bits for its own variation.
WIDE_OFFSET: Final = 2.0**12


def manifest_kinds(
    columns: Sequence[str], proposed: Sequence[inspection.ColumnKind], train: Iterable[Vector]
) -> dict[str, ColumnKind]:
    """The kind of each column that is not plain.

    >>> dice = inspection.ColumnKind(integer=True, low=1.0, high=6.0)
    >>> rows = np.random.default_rng(0).integers(1, 7, size=(100, 1)).astype(float)
    >>> manifest_kinds(["eyes"], [dice], rows.T)["eyes"].model_dump_json()
    '{"integer":true,"low":1.0,"high":6.0}'

    Args:
        columns: D names.
        proposed: D kinds.
        train: training values [n] of each column; they give the widths of atoms and the scales.

    Raises:
        DataError: the numbers of a column are beyond those of a manifest, or float64 has no digits for its differences.
    """
    found: dict[str, ColumnKind] = {}
    for name, kind, values in zip(columns, proposed, train, strict=True):
        try:
            steps = _integer(kind) if kind.integer else _continuous(kind, values)
            if affine := _affine(steps, values):
                steps = {**steps, "affine": affine}
            if steps:
                found[name] = ColumnKind.model_validate(steps)
        except ValidationError:
            raise DataError(_beyond(name, values)) from None
        _check_digits(name, values)
    return found


def _beyond(name: str, values: Vector) -> str:
    largest, smallest = float(np.abs(values).max()), float(np.abs(values[values != 0]).min(initial=np.inf))
    return (
        f"the column {name!r} holds numbers from {smallest:.3g} to {largest:.3g} in size, and a model takes numbers "
        f"and spreads from {SMALLEST:g} to {LARGEST:g}; write it in another unit, or leave it out with --drop"
    )


def _check_digits(name: str, values: Vector) -> None:
    """Refuse a column whose numbers are so near to each other that float64 has no digits for the differences."""
    centre, spread = _centre_and_scale(values)
    if 0 < spread < LEAST_DIGITS * np.finfo(np.float64).eps * abs(centre):
        raise DataError(
            f"the column {name!r} differs from {centre:.15g} by {spread:.2g} only, and float64 has fewer than four "
            "digits for the differences; subtract that number from the column, or leave it out with --drop"
        )


def words(columns: Sequence[str], kinds: Mapping[str, ColumnKind]) -> tuple[str, ...]:
    """The kind of each column in words, for a report.

    >>> words(["a", "n"], {"n": ColumnKind(integer=True, low=0.0)})
    ('continuous', 'whole number, from 0')
    """
    return tuple(_words(kinds.get(name)) for name in columns)


def _words(kind: ColumnKind | None) -> str:
    if kind is None:
        return "continuous"
    parts = ["whole number" if kind.integer else "heavy tails" if kind.tails else "continuous"]
    parts += [f"from {kind.low:.6g}"] if kind.low is not None else []
    parts += [f"to {kind.high:.6g}"] if kind.high is not None else []
    if kind.atoms:
        parts.append(f"often exactly {', '.join(f'{atom.value:.6g}' for atom in kind.atoms)}")
    return ", ".join(parts)


def _integer(kind: inspection.ColumnKind) -> dict[str, object]:
    # Whole numbers between given bounds such as 0.5 and 6.5 are those from 1 to 6.
    low = None if kind.low is None else float(math.ceil(kind.low))
    high = None if kind.high is None else float(math.floor(kind.high))
    return {"integer": True, "low": low, "high": high}


def _continuous(kind: inspection.ColumnKind, values: Vector) -> dict[str, object]:
    # A value at a bound has a place there only if it is an atom.
    at_bounds = {bound for bound in (kind.low, kind.high) if bound is not None and bool((values == bound).any())}
    held = sorted({atom.value for atom in kind.atoms} | at_bounds)
    steps: dict[str, object] = {}
    if kind.low is not None or kind.high is not None:
        steps = {"low": kind.low, "high": kind.high}
    rest = values[~np.isin(values, held)]
    if held:
        widths = propose_widths(values, held)
        if not len(rest) and len(held) > 1 and kind.low is None and kind.high is None:
            # Nothing lies between these atoms or beyond them, so their intervals leave no room for it.
            widths = [ALONE * width for width in widths]
            steps = {"low": held[0], "high": held[-1]}
        steps["atoms"] = tuple(Atom(value=value, width=width) for value, width in zip(held, widths, strict=True))
    if kind.heavy and len(rest) and not steps.keys() & {"low", "high"}:
        centre, scale = _centre_and_scale(rest)
        steps["tails"] = Tails(centre=centre, scale=scale)
    return steps


def _affine(steps: dict[str, object], values: Vector) -> Affine | None:
    """The step into the range of float32, for a column that needs it."""
    largest = float(np.abs(values).max())
    centre, scale = _centre_and_scale(values)
    is_safe = largest == 0 or (SAFE[0] <= scale and largest <= SAFE[1])
    is_offset = abs(centre) > WIDE_OFFSET * scale
    if is_safe and not (steps and is_offset):
        return None
    if not steps:
        return Affine(shift=centre, factor=scale)
    # Atoms that float32 cannot hold are allowed with an affine step only, so there is one from the start.
    plain = ColumnKind.model_validate({**steps, "affine": Affine(shift=0.0, factor=1.0)})
    line = ColumnMap.of(["x"], {"x": plain}).encode(values[:, None])
    shift, factor = _centre_and_scale(line.y[line.is_supported, 0])
    return Affine(shift=shift, factor=factor)


def _centre_and_scale(values: Vector) -> tuple[float, float]:
    """Median and spread: that of the quartiles, or the standard deviation where the quartiles are equal."""
    # Halves, so that no difference overflows.
    low, centre, high = np.quantile(values / 2, (0.25, 0.5, 0.75))
    spread = 2 * float(high - low) / NORMAL_QUARTILE_RANGE
    if not 0 < spread < np.inf:
        distance = np.abs(values / 2 - centre)
        largest = float(distance.max())
        spread = 2 * largest * float(np.sqrt(np.square(distance / largest).mean())) if largest > 0 else 1.0
    return 2 * float(centre), spread
