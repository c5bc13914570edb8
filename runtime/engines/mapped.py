"""Engines of a model with kinds of columns: rows x in the user's units around graphs whose input is y.

`map_columns` is the only place that joins a column map and engines, so every caller computes the same numbers.
"""

import numpy as np
import numpy.typing as npt

from diffeo.bundle.manifest import Dtype, Manifest
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN

from ..column_map import ColumnMap
from ..finite_rows import nan_invalid_rows
from .engine import Engine, Tensors


class MappedForward:
    """x -> z: encodes x, computes the forward graph, and adds the terms of the map. A row of density zero is NaN.

    Args:
        engine: computes the forward graph.
        column_map: x to y.
        dtype: type of y.
    """

    def __init__(self, engine: Engine, column_map: ColumnMap, dtype: Dtype) -> None:
        self._engine = engine
        self._map = column_map
        self._dtype = np.dtype(dtype)

    def run(self, tensors: Tensors) -> Tensors:
        """z, log_abs_det_jacobian and log_prob of x [rows, D]."""
        y, log_factor, is_supported = self._map.encode(np.asarray(tensors["x"], np.float64))
        # A number beyond float32 becomes infinite, and then its row has no answer.
        with np.errstate(over="ignore"):
            inner = self._engine.run({"x": y.astype(self._dtype)})
        # log p(x) = log p(y) + log_factor, and so with the determinant.
        outputs = {
            "z": inner["z"],
            LOG_ABS_DET_JACOBIAN: _sum(inner[LOG_ABS_DET_JACOBIAN], log_factor),
            "log_prob": _sum(inner["log_prob"], log_factor),
        }
        if is_supported.all():
            return outputs
        return {name: nan_invalid_rows(tensor, is_supported) for name, tensor in outputs.items()}


class MappedInverse:
    """z -> x for columns that do not snap: computes the inverse graph, decodes y, and subtracts the terms of the map.

    Args:
        engine: computes the inverse graph.
        column_map: y to x.
    """

    def __init__(self, engine: Engine, column_map: ColumnMap) -> None:
        self._engine = engine
        self._map = column_map

    def run(self, tensors: Tensors) -> Tensors:
        """x, log_abs_det_jacobian and log_prob of z [rows, D]."""
        inner = self._engine.run(tensors)
        y = inner["x"].astype(np.float64)
        log_slope = self._map.log_slope(y)
        # log|det dx/dz| = log|det dy/dz| - log dy/dx.
        return {
            "x": self._map.decode(y),
            LOG_ABS_DET_JACOBIAN: _sum(inner[LOG_ABS_DET_JACOBIAN], -log_slope),
            "log_prob": _sum(inner["log_prob"], log_slope),
        }


class SnappedInverse:
    """z -> x for columns that snap: the row is rounded to its atoms and whole numbers, and its numbers are those of it.

    Args:
        engine: computes the inverse graph.
        forward: computes the whole map x -> z.
        column_map: y to x.
    """

    def __init__(self, engine: Engine, forward: MappedForward, column_map: ColumnMap) -> None:
        self._engine = engine
        self._forward = forward
        self._map = column_map

    def run(self, tensors: Tensors) -> Tensors:
        """x, log_abs_det_jacobian and log_prob of z [rows, D]; and the z of that row, the middle of its intervals."""
        x = self._map.decode(self._engine.run(tensors)["x"].astype(np.float64))
        # A second pass: what the forward engine says about this row, bit for bit.
        outer = self._forward.run({"x": x})
        return {
            "x": x,
            LOG_ABS_DET_JACOBIAN: -outer[LOG_ABS_DET_JACOBIAN],
            "log_prob": outer["log_prob"],
            "z": outer["z"],
        }


def column_map_of(manifest: Manifest) -> ColumnMap | None:
    """The column map of a bundle; None if all of its columns are plain."""
    return ColumnMap.of(manifest.columns, manifest.kinds) if manifest.kinds else None


def map_columns(engines: tuple[Engine, Engine], column_map: ColumnMap | None, dtype: Dtype) -> tuple[Engine, Engine]:
    """The forward and the inverse engine of a model; without a column map the engines of its graphs themselves.

    Args:
        engines: they compute the graphs.
        column_map: of the bundle.
        dtype: type of the input of the forward graph, `Manifest.input_dtype`.
    """
    if column_map is None:
        return engines
    forward = MappedForward(engines[0], column_map, dtype)
    if column_map.snaps:
        return forward, SnappedInverse(engines[1], forward, column_map)
    return forward, MappedInverse(engines[1], column_map)


def _sum(nats: npt.NDArray[np.floating], terms: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    # Far out, a sum is beyond float32, or infinite less infinite; such a row has no answer.
    with np.errstate(over="ignore", invalid="ignore"):
        return (nats + terms).astype(np.float32)
