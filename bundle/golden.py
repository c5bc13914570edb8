"""Golden vectors: rows with their results in float64. A runtime must reproduce them before it serves a bundle.

Their file is one float64 array [rows, 2 D + 2]: x (D columns), z = f(x) (D), log|det dz/dx|, log p(x).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from . import npy
from .base import Base
from .errors import GoldenDisagrees, GoldenInvalid
from .manifest import MAIN_FILES, FileName, Trio

GoldenArray = npt.NDArray[np.float64]
Tensors = Mapping[str, npt.NDArray[np.floating]]

# Relative. float32 has about 7 digits; the results of the right graph differ by less than this.
TOLERANCE: Final = 1e-3
# Relative, for graphs that round to integers: on another machine, a value near the middle may round the other way.
ROUNDED_TOLERANCE: Final = 3e-2
# Relative, between log_prob of a row of the file and the sum of its terms.
TERMS_TOLERANCE: Final = 1e-6
# Every version of training wrote 32 rows or more; it now writes more (`certification/subject.py`).
LEAST_ROWS: Final = 32
# A service computes all of them every minute, beside its requests.
MOST_ROWS: Final = 4096
# Distinct rows. If every column has atoms or whole numbers, the data may have few.
LEAST_DISTINCT: Final = LEAST_ROWS // 2
LEAST_DISTINCT_DISCRETE: Final = 2


@dataclass(frozen=True, slots=True)
class Golden:
    """x [rows, D], z [rows, D], log_abs_det_jacobian [rows] of x -> z, log_prob [rows] in nats; all float64.

    Attributes:
        base: distribution of z.
        files: names of the two graphs and of the file of these vectors.
        tolerance: largest error of a result, relative to the larger of 1 and the golden value.
    """

    x: GoldenArray
    z: GoldenArray
    log_abs_det_jacobian: GoldenArray
    log_prob: GoldenArray
    base: Base
    files: Trio = MAIN_FILES
    tolerance: float = TOLERANCE

    @property
    def is_rounded(self) -> bool:
        """True if the graphs round to integers."""
        return self.tolerance > TOLERANCE

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        columns = [self.x, self.z, self.log_abs_det_jacobian[:, None], self.log_prob[:, None]]
        return npy.write(np.concatenate(columns, axis=1))

    def check_forward(self, result: Tensors) -> None:
        """Raise GoldenDisagrees unless the forward graph's result for x is the golden one."""
        expected = {"z": self.z, "log_abs_det_jacobian": self.log_abs_det_jacobian, "log_prob": self.log_prob}
        self._check(self.files.forward, result, expected)

    def check_inverse(self, result: Tensors) -> None:
        """Raise GoldenDisagrees unless the inverse graph's result for z is the golden one."""
        expected = {"x": self.x, "log_abs_det_jacobian": -self.log_abs_det_jacobian, "log_prob": self.log_prob}
        self._check(self.files.inverse, result, expected)

    def _check(self, graph: FileName, result: Tensors, expected: Mapping[str, GoldenArray]) -> None:
        for name, golden in expected.items():
            got = result[name]
            if got.shape != golden.shape:
                file = self.files.golden
                raise GoldenDisagrees(f"{graph} computes {name} of shape {got.shape}; {file} has {golden.shape}")
            # Not `error > tolerance`, because NaN must fail too.
            error = float(np.max(np.abs(got - golden) / np.maximum(1, np.abs(golden))))
            if not error <= self.tolerance:
                raise GoldenDisagrees(
                    f"{graph} computes {name} {error:.2e} away from {self.files.golden}; "
                    f"expected at most {self.tolerance:.0e}"
                )


def parse(
    content: bytes,
    base: Base,
    files: Trio = MAIN_FILES,
    tolerance: float = TOLERANCE,
    least_distinct: int = LEAST_DISTINCT,
) -> Golden:
    """Read the bytes of a file of golden vectors.

    Args:
        content: the bytes.
        base: distribution of z of the model.
        files: names of the two graphs and of the file.
        tolerance: largest error of a result.
        least_distinct: fewest distinct rows.

    Raises:
        GoldenInvalid: wrong type, shape or number of rows, a value that is not finite, or terms that do not add up.
    """
    try:
        table = npy.read(content)
    except npy.NpyInvalid as error:
        raise GoldenInvalid(f"{files.golden}: {error}") from error
    d = base.dimension
    width = 2 * d + 2
    if table.dtype != np.float64 or table.shape[1] != width or not len(table):
        raise GoldenInvalid(f"{files.golden} holds {table.dtype} {table.shape}; expected float64 (rows, {width})")
    if not LEAST_ROWS <= len(table) <= MOST_ROWS:
        expected = f"from {LEAST_ROWS} to {MOST_ROWS}"
        raise GoldenInvalid(f"{files.golden} holds {len(table)} rows; expected {expected}")
    if not np.isfinite(table).all():
        raise GoldenInvalid(f"{files.golden} holds a value that is not finite")
    wide = table.astype(np.float64)
    golden = Golden(wide[:, :d], wide[:, d : 2 * d], wide[:, 2 * d], wide[:, 2 * d + 1], base, files, tolerance)
    _check_terms(golden)
    distinct = len(np.unique(golden.x, axis=0))
    if distinct < least_distinct:
        raise GoldenInvalid(
            f"{files.golden} repeats its rows: {distinct} rows of x are distinct; expected {least_distinct} or more"
        )
    return golden


def _check_terms(golden: Golden) -> None:
    # The vectors are float64, so the two terms of log_prob add up to nearly all its digits.
    log_prob = golden.base.log_prob(golden.z) + golden.log_abs_det_jacobian
    scale = np.maximum(1, np.maximum(np.abs(golden.log_prob), np.abs(golden.log_abs_det_jacobian)))
    error = np.abs(log_prob - golden.log_prob) / scale
    row = int(error.argmax())
    if not error[row] <= TERMS_TOLERANCE:
        raise GoldenInvalid(
            f"{golden.files.golden}: log_prob of row {row} is {golden.log_prob[row]:.6g}; z and log_abs_det_jacobian "
            f"of that row make {log_prob[row]:.6g}"
        )
