"""Converts DataFrames of pandas and polars to rows of numbers and back; this file imports neither library at start."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt

from diffeo.density import Rows
from diffeo.errors import WrongTable

from . import arrays, columns
from .cells import shown
from .errors import WrongType

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Frame(Protocol):
    """The part of a DataFrame that pandas and polars have in common."""

    @property
    def columns(self) -> Iterable[str]:
        """The names of the columns."""
        ...

    def to_numpy(self) -> npt.NDArray[np.generic]:
        """The values without the names."""
        ...


F = TypeVar("F", bound=Frame)


def is_frame(table: object) -> TypeGuard[Frame]:
    """True for a DataFrame of pandas or polars; does not import either library."""
    return _is_pandas(table) or _is_polars(table)


def has_names(table: object) -> bool:
    """True for a table whose columns are matched by name: a frame or a structured array."""
    return is_frame(table) or arrays.is_records(table)


def rows(table: object, names: Sequence[str]) -> Rows:
    """The columns of these names in this order; other columns are left out, and a missing value is NaN.

    A frame with the integer labels that pandas gives by default has no names: it is read by position.

    Raises:
        WrongTable: a column is missing, occurs twice, or does not hold numbers.
    """
    if arrays.is_records(table):
        return arrays.of_records(table, names)
    if _is_pandas(table):
        return _from_pandas(table, names)
    if _is_polars(table):
        return _from_polars(table, names)
    raise WrongTable(f"{type(table).__name__} is no DataFrame of pandas or polars")


def like(frame: Frame, rows: Rows, names: Sequence[str]) -> Frame:
    """The rows in a frame of the same library as `frame`; a pandas frame keeps the index."""
    if _is_polars(frame):
        import polars as pl  # noqa: PLC0415  (imported only for a table of this library)

        return build(pl.DataFrame, rows, names)
    if not _is_pandas(frame):
        return build(type(frame), rows, names)
    import pandas as pd  # noqa: PLC0415  (as above)

    return pd.DataFrame(rows, columns=list(names), index=frame.index)


def build(kind: type[F], rows: Rows, names: Sequence[str]) -> F:
    """The rows in a frame of this class, with these column names.

    Raises:
        WrongTable: the class is neither pandas.DataFrame nor polars.DataFrame.
    """
    check(kind)
    made: object
    if _library(kind) == "pandas":
        import pandas as pd  # noqa: PLC0415  (as above)

        made = pd.DataFrame(rows, columns=list(names))
    else:
        import polars as pl  # noqa: PLC0415  (as above)

        made = pl.DataFrame(rows, schema=list(names), orient="row")
    if isinstance(made, kind):
        return made
    raise WrongTable(f"{kind.__name__} is a subclass of a frame; name pandas.DataFrame or polars.DataFrame")


def check(kind: type[Frame]) -> None:
    """Raise WrongTable unless the class is a DataFrame of pandas or polars."""
    if not _library(kind):
        raise WrongTable(f"{kind.__name__} is no frame; name pandas.DataFrame or polars.DataFrame")


def _is_pandas(table: object) -> TypeGuard["pd.DataFrame"]:
    return _library(type(table)) == "pandas"


def _is_polars(table: object) -> TypeGuard["pl.DataFrame"]:
    return _library(type(table)) == "polars"


def _library(kind: type) -> str:
    # Decided by the names of the base classes, because the libraries may not be installed.
    libraries = [base.__module__.partition(".")[0] for base in kind.__mro__ if base.__name__ == "DataFrame"]
    return next((library for library in libraries if library in {"pandas", "polars"}), "")


def _from_pandas(frame: "pd.DataFrame", names: Sequence[str]) -> Rows:
    labels: list[object] = list(frame.columns)
    # pandas labels columns without names 0, 1, ...
    if all(type(label) is int for label in labels) and labels == list(range(len(labels))):
        columns.check_width(len(labels), names)
        positions = list(range(len(labels)))
    else:
        positions = columns.positions([str(label) for label in labels], names)
    found = [_pandas_column(frame.iloc[:, position], name) for position, name in zip(positions, names, strict=True)]
    return np.stack(found, axis=1).astype(np.float64, copy=False)


def _pandas_column(series: "pd.Series[float]", name: str) -> Rows:
    from pandas.api import types  # noqa: PLC0415  (as above)

    if series.dtype == object:
        return arrays.column(series.to_numpy(), name)
    is_real = types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype)
    if not is_real or types.is_bool_dtype(series.dtype):
        raise _wrong_type(name, series.dtype)
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _from_polars(frame: "pl.DataFrame", names: Sequence[str]) -> Rows:
    import polars as pl  # noqa: PLC0415  (as above)

    series = [frame.to_series(position) for position in columns.positions(frame.columns, names)]
    for name, each in zip(names, series, strict=True):
        if not each.dtype.is_numeric():
            raise _wrong_type(name, each.dtype)
    return np.stack([each.cast(pl.Float64).to_numpy() for each in series], axis=1)


def _wrong_type(name: str, dtype: object) -> WrongType:
    return WrongType(f"the column {shown(name)} holds {dtype}; expected numbers")
