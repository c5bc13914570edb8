"""Golden vectors: rows whose answers are known in float64, so that any runtime can prove itself before it serves.

golden.npy is one float64 array [rows, 2 D + 2]: x (D columns), z = f(x) (D), log|det dz/dx|, log p(x).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bundle import npy
from bundle.errors import GoldenDisagrees, GoldenInvalid

GoldenArray = npt.NDArray[np.float64]
Tensors = Mapping[str, npt.NDArray[np.floating]]

# float32 carries about 7 digits; a graph that is the right one agrees to 3 units in the fourth.
TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Golden:
    """x [rows, D], z [rows, D], log_abs_det_jacobian [rows] of x -> z, log_prob [rows] in nats; all float64."""

    x: GoldenArray
    z: GoldenArray
    log_abs_det_jacobian: GoldenArray
    log_prob: GoldenArray

    def to_bytes(self) -> bytes:
        """The bytes of golden.npy."""
        columns = [self.x, self.z, self.log_abs_det_jacobian[:, None], self.log_prob[:, None]]
        return npy.write(np.concatenate(columns, axis=1))

    def check_forward(self, answer: Tensors) -> None:
        """Raise GoldenDisagrees unless the forward graph's answer to x is the golden one."""
        _agree("forward.onnx", "z", answer["z"], self.z)
        ladj = answer["log_abs_det_jacobian"]
        _agree("forward.onnx", "log_abs_det_jacobian", ladj, self.log_abs_det_jacobian)
        _agree("forward.onnx", "log_prob", answer["log_prob"], self.log_prob)

    def check_inverse(self, answer: Tensors) -> None:
        """Raise GoldenDisagrees unless the inverse graph's answer to z is the golden one."""
        _agree("inverse.onnx", "x", answer["x"], self.x)
        ladj = answer["log_abs_det_jacobian"]
        _agree("inverse.onnx", "log_abs_det_jacobian", ladj, -self.log_abs_det_jacobian)
        _agree("inverse.onnx", "log_prob", answer["log_prob"], self.log_prob)


def parse(content: bytes, dimension: int) -> Golden:
    """Read the bytes of golden.npy for a model of D = dimension columns.

    Raises:
        GoldenInvalid: another type or shape, no rows, or a value that is not finite.
    """
    try:
        table = npy.read(content)
    except npy.NpyInvalid as error:
        raise GoldenInvalid(f"golden.npy: {error}") from error
    width = 2 * dimension + 2
    if table.dtype != np.float64 or table.shape[1] != width or not len(table):
        raise GoldenInvalid(f"golden.npy holds {table.dtype} {table.shape}; expected float64 (rows, {width})")
    if not np.isfinite(table).all():
        raise GoldenInvalid("golden.npy holds a value that is not finite")
    wide = table.astype(np.float64)
    d = dimension
    return Golden(wide[:, :d], wide[:, d : 2 * d], wide[:, 2 * d], wide[:, 2 * d + 1])


def _agree(graph: str, name: str, got: npt.NDArray[np.floating], expected: GoldenArray) -> None:
    if got.shape != expected.shape:
        raise GoldenDisagrees(f"{graph} answers {name} of shape {got.shape}; golden.npy has {expected.shape}")
    # Not `error > TOLERANCE`: NaN must disagree too.
    error = float(np.max(np.abs(got - expected) / np.maximum(1, np.abs(expected))))
    if not error <= TOLERANCE:
        raise GoldenDisagrees(
            f"{graph} answers {name} {error:.2e} away from golden.npy; expected at most {TOLERANCE:.0e}"
        )
