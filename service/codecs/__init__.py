"""One wire format per file, decode beside encode; a new format is one new entry in CODECS."""

from typing import Final

from service.codecs.arrow import Arrow
from service.codecs.codec import Codec
from service.codecs.csv import Csv
from service.codecs.json import Json
from service.codecs.ndjson import Ndjson
from service.codecs.npy import Npy
from service.codecs.npz import Npz

CODECS: Final[tuple[Codec, ...]] = (Json(), Npy(), Npz(), Arrow(), Ndjson(), Csv())
