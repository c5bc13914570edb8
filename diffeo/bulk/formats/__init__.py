"""The file formats of bulk jobs, by file suffix. A new format needs one new entry in FORMATS."""

from collections.abc import Mapping
from typing import Final

from .arrow import Arrow
from .csv import Csv
from .format import Format
from .npy import Npy
from .npz import Npz
from .parquet import Parquet

FORMATS: Final[Mapping[str, Format]] = {
    ".parquet": Parquet(),
    ".arrow": Arrow(),
    ".arrows": Arrow(),
    ".feather": Arrow(),
    ".ipc": Arrow(),
    **{f"{suffix}{packing}": Csv() for suffix in (".csv", ".tsv", ".txt") for packing in ("", ".gz", ".zst")},
    ".npy": Npy(),
    ".npz": Npz(),
}
