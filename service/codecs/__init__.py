"""The formats of request and response bodies, one file each. A new format is one file and one entry in CODECS."""

from typing import Final

from .arrow import Arrow
from .codec import Codec
from .csv import Csv
from .json import Json
from .ndjson import Ndjson
from .npy import Npy
from .npz import Npz

CODECS: Final[tuple[Codec, ...]] = (Json(), Npy(), Npz(), Arrow(), Ndjson(), Csv())
