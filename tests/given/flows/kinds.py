"""Kinds of columns by name, and bundles of format 2 around tests/data/affine2d, whose answers are known by hand."""

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle import base
from diffeo.bundle.manifest import FileName, MassError
from diffeo.bundle.read import read
from diffeo.bundle.schema.column_kind import Affine, Atom, ColumnKind, Tails
from diffeo.bundle.write import content_of, write
from diffeo.runtime.column_map import ColumnMap

from . import affine

Rows = npt.NDArray[np.float64]

# Each kind with the centre and the scale of y that suit it: where the tests draw y.
KINDS: Final[dict[str, ColumnKind]] = {
    "above": ColumnKind(low=0.0),
    "below": ColumnKind(high=-3.0),
    "between": ColumnKind(low=0.0, high=1.0),
    "far between": ColumnKind(low=1e9, high=1e9 + 1),
    "tails": ColumnKind(tails=Tails(centre=3.0, scale=0.5)),
    "integer": ColumnKind(integer=True),
    "count": ColumnKind(integer=True, low=0.0),
    "dice": ColumnKind(integer=True, low=1.0, high=6.0),
    "integer tails": ColumnKind(integer=True, tails=Tails(centre=10.0, scale=3.0)),
    "zero": ColumnKind(atoms=(Atom(value=0.0, width=1.5),)),
    "zero-inflated": ColumnKind(atoms=(Atom(value=0.0, width=0.4),), low=0.0),
    "clipped": ColumnKind(atoms=(Atom(value=0.1, width=0.2), Atom(value=0.7, width=0.3)), low=0.1, high=0.7),
    "three atoms": ColumnKind(
        atoms=(Atom(value=-1.0, width=0.5), Atom(value=0.25, width=1.0), Atom(value=2.0, width=0.1)), high=4.0
    ),
    "atom tails": ColumnKind(atoms=(Atom(value=-2.0, width=0.7),), tails=Tails(centre=0.0, scale=2.0)),
    "huge": ColumnKind(affine=Affine(shift=3e44, factor=1e44)),
    "tiny": ColumnKind(low=0.0, high=1e-50, affine=Affine(shift=0.5, factor=0.5)),
    "seconds": ColumnKind(affine=Affine(shift=1.7e9, factor=10.0)),
    "huge zero-inflated": ColumnKind(
        atoms=(Atom(value=0.0, width=2e44),), low=0.0, affine=Affine(shift=101.0, factor=2.0)
    ),
}
MASS_ERROR: Final = MassError(mean=0.01, p99=0.1, rows=1000)


def column_map(*names: str | None) -> ColumnMap:
    """The map of columns of these kinds; None is a plain column."""
    columns = [f"c{number}" for number in range(len(names))]
    kinds = {column: KINDS[name] for column, name in zip(columns, names, strict=True) if name is not None}
    return ColumnMap.of(columns, kinds)


def log_prob(mapped: ColumnMap, x: Rows) -> Rows:
    """The log density, or log mass, of x under affine2d with this map, in float64; -inf where it is zero."""
    y, log_factor, is_supported = mapped.encode(x)
    return np.where(is_supported, affine.log_prob(y) + log_factor, -np.inf)


def publish(path: Path, kinds: Mapping[str, ColumnKind], rows: int = 128) -> Path:
    """affine2d as the graphs of a bundle with these kinds of its columns, height and weight."""
    bundle = read(affine.PATH)
    mapped = ColumnMap.of(bundle.manifest.columns, kinds)
    x = mapped.decode(affine.inverse(base.draw(5, 0, rows, 2)))
    y, log_factor, is_supported = mapped.encode(x)
    assert is_supported.all()
    nats = affine.log_prob(y) + log_factor
    buffer = io.BytesIO()
    np.save(buffer, np.column_stack([x, affine.forward(y), affine.LADJ + log_factor, nats]))
    files: dict[FileName, bytes] = {**bundle.files, "golden.npy": buffer.getvalue()}
    content = replace(
        content_of(bundle),
        files=files,
        dtype="float64",
        kinds=kinds,
        graph_dtype="float32",
        mass_error=MASS_ERROR if mapped.snaps else None,
    )
    return write(content, path).path
