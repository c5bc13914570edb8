"""One wire format per file, decode beside encode; a new format is one new entry in CODECS."""

from typing import Final

from .arrow import Arrow
from .codec import Codec
from .csv import Csv
from .json import Json
from .ndjson import Ndjson
from .npy import Npy
from .npz import Npz

CODECS: Final[tuple[Codec, ...]] = (Json(), Npy(), Npz(), Arrow(), Ndjson(), Csv())
