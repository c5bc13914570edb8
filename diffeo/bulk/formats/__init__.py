"""Formats of files by what their names end with. A new format is one new entry in FORMATS."""

from collections.abc import Mapping
from typing import Final

from .arrow import Arrow
from .csv import Csv
from .format import Format
from .npy import Npy
from .parquet import Parquet

FORMATS: Final[Mapping[str, Format]] = {
    ".parquet": Parquet(),
    ".arrow": Arrow(),
    ".arrows": Arrow(),
    ".feather": Arrow(),
    ".csv": Csv(),
    ".npy": Npy(),
}
# What a job can write, by the name that it is asked for.
WRITTEN: Final = ("parquet", "arrow", "csv", "npy")
