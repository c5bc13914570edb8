"""`DataSection`: where the rows of a fit come from, and which of them it takes."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from diffeo.tables.reading.options import ReadOptions, parse_decimal, parse_delimiter, parse_encoding

from .inspection.choices import MIN_ROWS, Choices, parse_bounds, parse_missing_values, parse_names


class Section(BaseModel):
    """A section of a recipe: no unknown key, and no value of another type."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


Count = Annotated[int, Field(ge=1)]


def _absent(value: object) -> bool:
    return value is None or value == ()


def _as_tuple(value: object) -> object:
    # TOML has lists, and a frozen section has tuples.
    return tuple(value) if isinstance(value, list) else value


def _as_names(value: object) -> object:
    return parse_names(value) if isinstance(value, str) else _as_tuple(value)


# Keys that are left out of the digest when absent, so that the digests of recipes without them stay as they were.
Names = Annotated[tuple[str, ...], BeforeValidator(_as_names), Field(exclude_if=_absent)]
Text = Annotated[str | None, Field(exclude_if=_absent)]
Number = Annotated[Count | None, Field(exclude_if=_absent)]

READING: Final = ("header", "delimiter", "decimal", "encoding", "max_rows")
CHOOSING: Final = ("columns", "drop", "missing", "missing_values", "weights", "bounds", "integers", "min_rows")


class DataSection(Section):
    """Where the rows come from: drawn from a target distribution, or read from files.

    Attributes:
        target: name of the distribution (`diffeo.training.targets`).
        noise: its standard deviation of the blur.
        factor: radius of the inner circle of `circles`.
        rows: rows to draw.
        file: path or pattern of a table, or a list of them; relative to the recipe.
        columns: the only columns that are fitted: a list, or text such as "a,b".
        drop: columns that are left out.
        missing: `refuse` or `drop` rows with a missing cell.
        missing_values: cells that are missing, such as "-999,?".
        weights: column of importance weights.
        bounds: bounds of columns, such as "a=0:1,b=0:".
        integers: columns that are fitted as whole numbers.
        min_rows: fewest rows.
        header: whether line 1 of a text names the columns.
        delimiter: comma, semicolon, tab or bar.
        decimal: point or comma.
        encoding: of a text.
        max_rows: a sample of so many rows is read from a larger table.
    """

    target: Literal["moons", "circles"] | None = None
    noise: Annotated[float, Field(gt=0)] = 0.05
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    rows: Count = 100_000
    file: Annotated[
        str | tuple[str, ...] | None, BeforeValidator(_as_tuple), AfterValidator(lambda value: value or None)
    ] = None
    columns: Names = ()
    drop: Names = ()
    missing: Annotated[Literal["refuse", "drop"] | None, Field(exclude_if=_absent)] = None
    missing_values: Text = None
    weights: Text = None
    bounds: Text = None
    integers: Names = ()
    min_rows: Number = None
    header: Annotated[bool | None, Field(exclude_if=_absent)] = None
    delimiter: Text = None
    decimal: Text = None
    encoding: Text = None
    max_rows: Number = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.target is None) == (self.file is None):
            raise ValueError("[data] needs one source, target or file, and not both")
        if self.target is not None and (given := [key for key in READING + CHOOSING if getattr(self, key)]):
            raise ValueError(f"{', '.join(given)} belong to a file, and {self.target} is drawn; leave them out")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The paths and patterns of the table; none for a target."""
        if self.file is None:
            return ()
        return (self.file,) if isinstance(self.file, str) else self.file

    def read_options(self, seed: int, *, progress: bool) -> ReadOptions:
        """How the table is read.

        Raises:
            TableError: an option has no such value; the sentence names the option.
        """
        words, _ = parse_missing_values(self.missing_values or "")
        return ReadOptions(
            header=self.header,
            delimiter=None if self.delimiter is None else parse_delimiter(self.delimiter),
            decimal=None if self.decimal is None else parse_decimal(self.decimal),
            encoding=None if self.encoding is None else parse_encoding(self.encoding),
            missing_values=words,
            max_rows=self.max_rows,
            seed=seed,
            progress=progress,
        )

    def choices(self) -> Choices:
        """Which columns and rows are fitted.

        Raises:
            DataError: bounds have another form; the sentence names the option.
        """
        _, numbers = parse_missing_values(self.missing_values or "")
        return Choices(
            columns=self.columns,
            drop=self.drop,
            missing=self.missing or "refuse",
            missing_values=numbers,
            weights=self.weights,
            bounds=parse_bounds(self.bounds or ""),
            integers=self.integers,
            min_rows=self.min_rows or MIN_ROWS,
        )

    def flat(self) -> dict[str, Any]:
        """The values for a manifest: lists as text, and files without their folders."""
        values: dict[str, Any] = self.model_dump(by_alias=False)
        for key in ("columns", "drop", "integers"):
            if key in values:
                values[key] = ", ".join(values[key])
        if self.files:
            values["file"] = ", ".join(name.rpartition("/")[2] for name in self.files)
        return values
