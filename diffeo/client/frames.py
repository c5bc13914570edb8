"""Tables with named columns, pandas' or polars': matched by name, answered in kind; neither library is needed here."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt

from diffeo.density import Rows
from diffeo.errors import WrongTable

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

AXES: Final = 2


class Frame(Protocol):
    """What pandas and polars have in common."""

    @property
    def columns(self) -> Iterable[str]:
        """The names of the columns."""
        ...

    def to_numpy(self) -> npt.NDArray[np.generic]:
        """The values without the names."""
        ...


F = TypeVar("F", bound=Frame)


def is_frame(table: object) -> TypeGuard[Frame]:
    """True for a DataFrame of either library, told without importing one."""
    return _is_pandas(table) or _is_polars(table)


def table(rows: object) -> Rows:
    """The rows as they are sent: float32 stays, all other numbers become float64.

    Raises:
        WrongTable: not two axes, or no numbers.
    """
    try:
        found = np.asarray(rows)
        found = np.ascontiguousarray(found, dtype=np.float32 if found.dtype == np.float32 else np.float64)
    except (TypeError, ValueError) as error:
        raise WrongTable(f"the rows are no table of numbers: {error}") from None
    if found.ndim != AXES:
        raise WrongTable(f"the rows have shape {found.shape}; expected (rows, columns)")
    return found


def rows(frame: Frame, names: Sequence[str]) -> Rows:
    """The columns of these names in this order, others left out; a missing value is NaN.

    Raises:
        WrongTable: a column is missing, is there twice, or holds no numbers.
    """
    given = [str(name) for name in frame.columns]
    for name in names:
        if given.count(name) != 1:
            fact = "lacks" if name not in given else "repeats"
            raise WrongTable(f"the frame {fact} the column {name!r}; the model takes {', '.join(names)}")
    if _is_pandas(frame):
        return _from_pandas(frame, names)
    if _is_polars(frame):
        return _from_polars(frame, names)
    raise WrongTable(f"{type(frame).__name__} is no DataFrame of pandas or polars")


def like(frame: Frame, rows: Rows, names: Sequence[str]) -> Frame:
    """A frame of the same kind, in pandas with the same index."""
    if not _is_pandas(frame):
        return build(type(frame), rows, names)
    import pandas as pd  # noqa: PLC0415  (whoever has a frame has it)

    return pd.DataFrame(rows, columns=list(names), index=frame.index)


def build(kind: type[F], rows: Rows, names: Sequence[str]) -> F:
    """A frame of the rows.

    Raises:
        WrongTable: no such frame is known here.
    """
    check(kind)
    made: object
    if _home(kind) == "pandas":
        import pandas as pd  # noqa: PLC0415  (whoever has a frame has it)

        made = pd.DataFrame(rows, columns=list(names))
    else:
        import polars as pl  # noqa: PLC0415  (as above)

        made = pl.DataFrame(rows, schema=list(names), orient="row")
    if isinstance(made, kind):
        return made
    raise WrongTable(f"{kind.__name__} is a class of its own; name pandas.DataFrame or polars.DataFrame")


def check(kind: type[Frame]) -> None:
    """Raise WrongTable unless frames of this class can be made."""
    if not _home(kind):
        raise WrongTable(f"{kind.__name__} is no frame; name pandas.DataFrame or polars.DataFrame")


def _is_pandas(table: object) -> TypeGuard["pd.DataFrame"]:
    return _home(type(table)) == "pandas"


def _is_polars(table: object) -> TypeGuard["pl.DataFrame"]:
    return _home(type(table)) == "polars"


def _home(kind: type) -> str:
    # Told without importing what may not be installed.
    return kind.__module__.partition(".")[0] if kind.__name__ == "DataFrame" else ""


def _from_pandas(frame: "pd.DataFrame", names: Sequence[str]) -> Rows:
    import pandas as pd  # noqa: PLC0415  (as above)

    taken = frame[list(names)]
    for name, dtype in taken.dtypes.items():
        _check_numbers(str(name), dtype, numeric=pd.api.types.is_numeric_dtype(dtype))
    return np.ascontiguousarray(taken.to_numpy(dtype=np.float64, na_value=np.nan))


def _from_polars(frame: "pl.DataFrame", names: Sequence[str]) -> Rows:
    taken = frame.select(names)
    for name, dtype in taken.schema.items():
        _check_numbers(name, dtype, numeric=dtype.is_numeric())
    return np.ascontiguousarray(taken.to_numpy(), dtype=np.float64)


def _check_numbers(name: str, dtype: object, *, numeric: bool) -> None:
    if not numeric:
        raise WrongTable(f"the column {name!r} of the frame holds {dtype}; expected numbers")
