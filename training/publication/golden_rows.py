"""Golden vectors in the user's units: the graphs have theirs in y, and a bundle holds those of the whole model."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from diffeo.bundle import golden
from diffeo.bundle.base import Base
from diffeo.bundle.golden import Golden
from diffeo.bundle.manifest import MAIN_FILES, VARIANT_FILES, FileName
from diffeo.runtime.column_map import ColumnMap

from ..certification.subject import Snap

Array = npt.NDArray[np.float64]


def snap_with(column_map: ColumnMap | None) -> Snap | None:
    """Moves y to the y of a row x that a request can carry: at the middle of an atom or of a whole number."""
    if column_map is None:
        return None

    def snap(y: Array) -> Array:
        x = column_map.decode(y)
        encoded = column_map.encode(x[np.isfinite(x).all(axis=1)])
        return encoded.y[encoded.is_supported]

    return snap


def in_user_units(files: Mapping[FileName, bytes], base: Base, column_map: ColumnMap | None) -> dict[FileName, bytes]:
    """The files with the golden vectors of the model in place of those of the graphs."""
    changed = dict(files)
    if column_map is None:
        return changed
    for trio in (MAIN_FILES, *VARIANT_FILES.values()):
        if trio.golden in files:
            vectors = golden.parse(files[trio.golden], base, trio, least_distinct=1)
            changed[trio.golden] = _of_model(vectors, column_map).to_bytes()
    return changed


def _of_model(vectors: Golden, column_map: ColumnMap) -> Golden:
    x = column_map.decode(vectors.x)
    log_factor = column_map.log_factor(x)
    return replace(
        vectors,
        x=x,
        log_abs_det_jacobian=vectors.log_abs_det_jacobian + log_factor,
        log_prob=vectors.log_prob + log_factor,
    )
