"""Rows that have an answer and rows that have none: what is not finite never reaches a runtime, and comes back NaN."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Tensors = Mapping[str, Rows]

LARGEST: Final = {np.dtype(kind): np.finfo(kind).max for kind in (np.float32, np.float64)}


def cleaned(rows: Rows, dtype: np.dtype[np.floating]) -> tuple[Rows, Mask | None]:
    """The rows in the type of the graph, at least one, with zeros for those that are not finite; None if all are."""
    # One look tells that no value is NaN, infinite or beyond the type: a NaN is never below anything.
    if np.maximum.reduce(np.abs(rows), axis=None) <= LARGEST[dtype]:
        return rows.astype(dtype, copy=False), None
    # A value beyond float32 becomes infinite here, and its row invalid, which is what it is to the graph.
    with np.errstate(over="ignore"):
        narrow = rows.astype(dtype, copy=False)
    good: Mask = np.asarray(np.isfinite(narrow).all(axis=1))
    return np.where(good[:, None], narrow, dtype.type(0)), good


def all_finite(tensors: Tensors) -> bool:
    """True when no value of any tensor is NaN or infinite."""
    # Counting costs a third of what `all` does where the rows are few.
    return all(np.count_nonzero(np.isfinite(tensor)) == tensor.size for tensor in tensors.values())


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
