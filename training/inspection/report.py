"""`TableReport`: everything that one look at a table found, for a terminal, for JSON and for the fit."""

from dataclasses import dataclass

from diffeo.tables.reading.fault import Fault


@dataclass(frozen=True, slots=True)
class Atom:
    """A value that many rows of a continuous column hold, and the share of these rows."""

    value: float
    share: float


@dataclass(frozen=True, slots=True)
class ColumnKind:
    """How a column is to be fitted; several of these can hold at once.

    Attributes:
        integer: all values are whole numbers.
        low: no value is below it; None if there is no bound.
        high: no value is above it; None if there is no bound.
        atoms: values that many rows hold.
        heavy: values lie further than 50 interquartile ranges from the median.
    """

    integer: bool = False
    low: float | None = None
    high: float | None = None
    atoms: tuple[Atom, ...] = ()
    heavy: bool = False

    @property
    def text(self) -> str:
        """The kind in a few characters, such as "integer 1:6" or "continuous 0:, 1 atom"."""
        name = "integer" if self.integer else "heavy tails" if self.heavy else "continuous"
        sides = (f"{self.low:.6g}" if self.low is not None else "", f"{self.high:.6g}" if self.high is not None else "")
        bounds = "" if self.low is None and self.high is None else f" {sides[0]}:{sides[1]}"
        atoms = f", {len(self.atoms)} atom{'s' if len(self.atoms) > 1 else ''}" if self.atoms else ""
        return f"{name}{bounds}{atoms}"


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """The facts of one column; the numbers are None for a column without numbers.

    Attributes:
        name: its name.
        holds: what its cells are, such as "numbers" or "text".
        kind: how it is to be fitted; None if it is left out.
        minimum: its least value.
        maximum: its greatest value.
        mean: the mean of its values.
        std: their standard deviation.
        missing: number of missing cells, infinite ones included.
        distinct: number of different values.
        most_common: the value that most rows hold.
        most_common_share: the share of these rows.
        decimals: number of decimals of its values; None if they are not rounded.
        used: whether the column is fitted.
        reason: why it is left out; empty if it is used.
    """

    name: str
    holds: str
    kind: ColumnKind | None = None
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    missing: int = 0
    distinct: int | None = None
    most_common: float | None = None
    most_common_share: float | None = None
    decimals: int | None = None
    used: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TableReport:
    """Everything that one look at a table found.

    Attributes:
        sources: the names of the files.
        names_from: where the names of the columns came from.
        rows: number of rows of the table.
        rows_kept: number of rows that are fitted.
        columns: what is known of each column.
        faults: what must be decided or corrected before a fit.
        notes: what was chosen, and what is unusual.
    """

    sources: tuple[str, ...]
    names_from: str
    rows: int
    rows_kept: int
    columns: tuple[ColumnReport, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if the table can be fitted as it is."""
        return not self.faults

    @property
    def used(self) -> tuple[ColumnReport, ...]:
        """The columns that are fitted."""
        return tuple(column for column in self.columns if column.used)
