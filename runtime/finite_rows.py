"""Rows that have an answer and rows that have none: what is not finite never reaches a runtime, and comes back NaN."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Tensors = Mapping[str, Rows]

LARGEST: Final = {np.dtype(kind): float(np.finfo(kind).max) for kind in (np.float32, np.float64)}
# Up to here a sum of squares is the quickest look at all values; above, BLAS would wake threads for it.
FEW_VALUES: Final = 8192


def cleaned(rows: Rows, dtype: np.dtype[np.floating]) -> tuple[Rows, Mask | None]:
    """The rows in the type of the graph, at least one, with zeros for those that are not finite; None if all are."""
    if _below(rows, LARGEST[dtype]):
        return rows.astype(dtype, copy=False), None
    # A value beyond float32 becomes infinite here, and its row invalid, which is what it is to the graph.
    with np.errstate(over="ignore"):
        narrow = rows.astype(dtype, copy=False)
    good: Mask = np.asarray(np.isfinite(narrow).all(axis=1))
    if good.all():
        return narrow, None
    return np.where(good[:, None], narrow, dtype.type(0)), good


def all_finite(tensors: Tensors) -> bool:
    """True when no value of any tensor is NaN or infinite."""
    for tensor in tensors.values():  # noqa: SIM110  (a generator costs as much as the look)
        if not (_below(tensor, LARGEST[tensor.dtype]) or np.isfinite(tensor).all()):
            return False
    return True


def answered(tensors: Tensors, rows: int) -> Mask:
    """Which rows are finite in every tensor."""
    good = np.ones(rows, dtype=np.bool_)
    for tensor in tensors.values():
        finite = np.isfinite(tensor)
        good &= finite if finite.ndim == 1 else finite.all(axis=1)
    return good


def blanked(tensor: Rows, good: Mask) -> Rows:
    """The tensor with NaN in the rows that are not good."""
    keep = good if tensor.ndim == 1 else good[:, None]
    return np.where(keep, tensor, tensor.dtype.type(np.nan))


def _below(rows: Rows, bound: float) -> bool:
    """True only where every |value| <= bound, a bound above 1: a NaN is never below anything."""
    if rows.size > FEW_VALUES:
        return float(np.maximum.reduce(np.abs(rows), axis=None)) <= bound
    # sum v^2 <= bound bounds each |v| by sqrt(bound). What is larger is left to the caller, who looks at each.
    return float(np.vdot(rows, rows)) <= bound
