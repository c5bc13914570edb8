"""Replaces rows with NaN or infinity: by zeros before an engine computes them, and by NaN in its result."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]  # [rows, D], or [rows] for one value a row
Mask = npt.NDArray[np.bool_]  # [rows]
Tensors = Mapping[str, Rows]

LARGEST: Final = {np.dtype(kind): float(np.finfo(kind).max) for kind in (np.float32, np.float64)}
# Up to this size, one sum of squares is the fastest test of all values; BLAS would start threads for a larger one.
SMALL_SIZE: Final = 8192


def zero_invalid_rows(rows: Rows, dtype: np.dtype[np.floating]) -> tuple[Rows, Mask | None]:
    """The rows in the type of the graph, with zeros in each row that has NaN, infinity or a number beyond that type.

    Args:
        rows: at least one row.
        dtype: type of the graph's input.

    Returns:
        The rows, and which of them are valid; None if all are.
    """
    if _all_below(rows, LARGEST[dtype]):
        return rows.astype(dtype, copy=False), None
    # A number beyond float32 becomes infinite here, so its row is invalid: the graph could not hold it either.
    with np.errstate(over="ignore"):
        converted = rows.astype(dtype, copy=False)
    valid: Mask = np.asarray(np.isfinite(converted).all(axis=1))
    if valid.all():
        return converted, None
    return np.where(valid[:, None], converted, dtype.type(0)), valid


def all_finite(tensors: Tensors) -> bool:
    """True if no tensor has a NaN or an infinity."""
    for tensor in tensors.values():  # noqa: SIM110  (a generator costs as much as the test itself)
        if not (_all_below(tensor, LARGEST[tensor.dtype]) or np.isfinite(tensor).all()):
            return False
    return True


def finite_rows(tensors: Tensors, count: int) -> Mask:
    """Which of `count` rows are finite in every tensor."""
    valid = np.ones(count, dtype=np.bool_)
    for tensor in tensors.values():
        finite = np.isfinite(tensor)
        valid &= finite if finite.ndim == 1 else finite.all(axis=1)
    return valid


def nan_invalid_rows(tensor: Rows, valid: Mask) -> Rows:
    """The tensor with NaN in each row that is not valid."""
    keep = valid if tensor.ndim == 1 else valid[:, None]
    return np.where(keep, tensor, tensor.dtype.type(np.nan))


def _all_below(rows: Rows, bound: float) -> bool:
    """True proves that every |value| <= bound, for a bound above 1, and that none is NaN. False proves nothing."""
    if rows.size > SMALL_SIZE:
        return float(np.maximum.reduce(np.abs(rows), axis=None)) <= bound
    # sum v^2 <= bound implies |v| <= sqrt(bound) for each v. A larger sum proves nothing; the caller tests each value.
    return float(np.vdot(rows, rows)) <= bound
