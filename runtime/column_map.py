"""`ColumnMap`: maps rows x in the user's units to the input y of the graphs and back, column by column, in float64.

x is spread over an axis s (`spread`), which becomes a whole line t (`line`), and y = (t - shift) / factor. Each step is
increasing, so the log density of a row is that of y under the graphs plus log_factor:

    log p(x) = log p(y) + sum over columns of log dy/dx, and of log w for an atom of width w.

At an atom or a whole number dy/dx is taken at the middle of the interval. Then p counts the mass of the value, and
`mass_error` of the manifest says how far the middle is from the integral over the interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, Self

import numpy as np

from diffeo.bundle.errors import GoldenInvalid
from diffeo.bundle.golden import Golden
from diffeo.bundle.schema.column_kind import ColumnKind

from .atoms import Array, Index, Mask
from .line import Law, laws
from .spread import MIDDLE, Positions, Spread

Reason = Literal["outside_bounds", "not_a_whole_number"]

# Rows are mapped in blocks of so many numbers: the arrays of a block stay in the cache of a processor, which is up to
# five times as fast in 200 columns, and the memory does not grow with the rows.
BLOCK_NUMBERS: Final = 2**14


class EncodedRows(NamedTuple):
    """Rows as the graphs take them.

    Attributes:
        y: [rows, D], finite; 0 in a row that is not supported.
        log_factor: nats to add to the log density of y, [rows]; 0 in a row that is not supported.
        is_supported: False for a row of density zero, or one that float64 cannot map, [rows].
    """

    y: Array
    log_factor: Array
    is_supported: Mask


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """The map of all columns of one model; `ColumnMap.of` makes it.

    Attributes:
        spread: x to s.
        laws: s to t.
        affine: columns with the last step.
        shift: of these columns.
        factor: of these columns.
        snaps: True if a column has atoms or whole numbers.

    >>> kind = ColumnKind(integer=True, low=0.0, high=5.0)
    >>> column_map = ColumnMap.of(["bulbs"], {"bulbs": kind})
    >>> y, log_factor, is_supported = column_map.encode(np.array([[0.0], [5.0], [2.5], [6.0]]))
    >>> y.round(3).ravel()
    array([-2.398,  2.398,  0.   ,  0.   ])
    >>> is_supported
    array([ True,  True, False, False])
    >>> column_map.decode(np.array([[-2.1], [40.0]])).ravel()
    array([0., 5.])
    """

    spread: Spread
    laws: tuple[Law, ...]
    affine: Index
    shift: Array
    factor: Array
    snaps: bool

    @classmethod
    def of(cls, columns: Sequence[str], kinds: Mapping[str, ColumnKind]) -> Self:
        """The map of these columns; one without a kind is plain, and y = x there."""
        ordered = [kinds.get(column) for column in columns]
        affine = [(index, kind.affine) for index, kind in enumerate(ordered) if kind is not None and kind.affine]
        return cls(
            Spread.of(ordered),
            laws(ordered),
            np.array([index for index, _ in affine], np.intp),
            np.array([step.shift for _, step in affine]),
            np.array([step.factor for _, step in affine]),
            any(kind.snaps for kind in kinds.values()),
        )

    def encode(self, x: Array) -> EncodedRows:
        """The rows [rows, D], each atom and whole number at the middle of its interval."""
        parts = [self._encode(x[rows]) for rows in _blocks(x)]
        if len(parts) == 1:
            return parts[0]
        y, log_factor = _joined([part.y for part in parts]), _joined([part.log_factor for part in parts])
        return EncodedRows(y, log_factor, np.concatenate([part.is_supported for part in parts]))

    def _encode(self, x: Array) -> EncodedRows:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            at, t, y = self._forward(x, np.full(x.shape, MIDDLE))
            log_factor = self._log_slope(t) + at.log_width
        is_finite = np.isfinite(y).all(axis=1) & np.isfinite(log_factor)
        is_supported = is_finite & at.row_is_inside & at.row_is_whole
        if is_supported.all():
            return EncodedRows(y, log_factor, is_supported)
        return EncodedRows(np.where(is_supported[:, None], y, 0), np.where(is_supported, log_factor, 0), is_supported)

    def decode(self, y: Array) -> Array:
        """x [rows, D] for y [rows, D]: atoms and whole numbers exactly, and nothing beyond a bound.

        A number is NaN where y is not finite, and infinite where x is beyond float64.
        """
        return _joined([self._decode(y[rows]) for rows in _blocks(y)])

    def _decode(self, y: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            t = self._line_of(y)
            s = t.copy()
            for law in self.laws:
                s[:, law.columns] = law.inverse(t.take(law.columns, axis=1))
            return np.where(np.isfinite(y), self.spread.snap(s), np.nan)

    def log_factor(self, x: Array) -> Array:
        """The nats between the log density of the graphs and that of x in the user's units, [rows].

        0 in a row that is not supported.
        """
        return self.encode(x).log_factor

    def log_slope(self, y: Array) -> Array:
        """Sum of log dy/dx at y over the columns, [rows]; the interval of an atom counts as a continuous column."""
        with np.errstate(over="ignore", invalid="ignore"):
            return _joined([self._log_slope(self._line_of(y[rows])) for rows in _blocks(y)])

    def training_rows(self, x: Array, uniform: Array) -> Array:
        """y [rows, D] with each atom and whole number at a random place of its interval.

        A flow that is fitted to these rows sees intervals in place of points. Its loss at the middle plus `log_factor`
        is the loss in the user's units.

        Args:
            x: supported rows.
            uniform: uniform numbers from [0, 1), [rows, D]; continuous columns use none.

        Returns:
            y, NaN in a row that is not supported.
        """
        return _joined([self._training_rows(x[rows], uniform[rows]) for rows in _blocks(x)])

    def _training_rows(self, x: Array, uniform: Array) -> Array:
        place = np.clip(uniform, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            at, _, y = self._forward(x, place)
        return np.where((at.row_is_inside & at.row_is_whole)[:, None], y, np.nan)

    def reasons(self, x: Array) -> list[Reason | None]:
        """Why each row [rows, D] has density zero; None if it has not, or if float64 cannot map the row."""
        return [reason for rows in _blocks(x) for reason in self._reasons(x[rows])]

    def _reasons(self, x: Array) -> list[Reason | None]:
        with np.errstate(over="ignore", invalid="ignore"):
            at = self.spread.place(x, np.full(x.shape, MIDDLE))
        return [
            "outside_bounds" if not inside else "not_a_whole_number" if not whole else None
            for inside, whole in zip(at.row_is_inside.tolist(), at.row_is_whole.tolist(), strict=True)
        ]

    def golden_of_graphs(self, golden: Golden) -> Golden:
        """The golden vectors of the graphs, whose input is y, from those of the model, whose input is x.

        Raises:
            GoldenInvalid: a row of x has density zero.
        """
        y, log_factor, is_supported = self.encode(golden.x)
        if not is_supported.all():
            row = int(np.flatnonzero(~is_supported)[0])
            file = golden.files.golden
            raise GoldenInvalid(f"{file}: row {row} is outside of the bounds of its columns, or not whole; see kinds")
        return replace(
            golden,
            x=y,
            log_abs_det_jacobian=golden.log_abs_det_jacobian - log_factor,
            log_prob=golden.log_prob - log_factor,
        )

    def _forward(self, x: Array, uniform: Array) -> tuple[Positions, Array, Array]:
        at = self.spread.place(x, uniform)
        t = x.copy()
        for law in self.laws:
            t[:, law.columns] = law.forward(at)
        if not self.affine.size:
            return at, t, t
        y = t.copy()
        y[:, self.affine] = (t.take(self.affine, axis=1) - self.shift) / self.factor
        return at, t, y

    def _line_of(self, y: Array) -> Array:
        t = y.copy()
        if self.affine.size:
            t[:, self.affine] = self.shift + self.factor * y.take(self.affine, axis=1)
        return t

    def _log_slope(self, t: Array) -> Array:
        slopes = np.zeros(t.shape)
        for law in self.laws:
            slopes[:, law.columns] = law.log_slope(t.take(law.columns, axis=1))
        if self.affine.size:
            slopes[:, self.affine] -= np.log(self.factor)
        # Of rows that are contiguous, so that a row has the same sum in every batch.
        return np.asarray(slopes.sum(axis=1))


def _blocks(rows: Array) -> list[slice]:
    count, columns = rows.shape
    step = max(1, BLOCK_NUMBERS // columns)
    return [slice(start, start + step) for start in range(0, max(1, count), step)]


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
