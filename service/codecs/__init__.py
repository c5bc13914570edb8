"""One wire format per file, decode beside encode; a new format is one new entry in CODECS."""

from typing import Final

from service.codecs.codec import Codec
from service.codecs.json import Json
from service.codecs.npy import Npy

CODECS: Final[tuple[Codec, ...]] = (Json(), Npy())
