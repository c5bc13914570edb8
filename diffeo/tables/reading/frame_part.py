"""Opens a DataFrame of pandas or polars as a `Part`; this file imports neither library."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..frames import Frame
from .array_part import Array, of_columns
from .part import Part

NAME = "the DataFrame"


def open_frame(frame: Frame) -> Part:
    """Open a DataFrame: its columns, without the index.

    The integer labels 0, 1, ... that pandas gives by default are no names.
    """
    labels: list[object] = list(frame.columns)
    columns: list[Array] = [_vector(frame, position) for position in range(len(labels))]
    is_numbered = all(type(label) is int for label in labels) and labels == list(range(len(labels)))
    names: Sequence[str] | None = None if is_numbered else [str(label) for label in labels]
    return of_columns(NAME, names, columns)


def _vector(frame: Any, position: int) -> Array:  # noqa: ANN401  (two libraries that may not be installed)
    is_pandas = hasattr(frame, "iloc")
    series = frame.iloc[:, position] if is_pandas else frame.to_series(position)
    if not is_pandas:
        # A null is NaN in a column of numbers, and None in others.
        return np.asarray(series.to_numpy() if series.dtype != "Boolean" else series.to_list(), dtype=None)
    kind = getattr(series.dtype, "kind", "O")
    if kind in "fiu":
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind in "bmM" and not series.hasnans:
        return np.asarray(series.to_numpy())
    return np.asarray(series.astype(object).to_numpy(dtype=object, na_value=None), dtype=object)
