"""Files as people have them, made by a script, each with its verdict, its columns and words of its report."""

from collections.abc import Mapping
from typing import Final

from .arrays import ARRAYS
from .cells import CELLS
from .form import NORMAL, ROWS, ReaderFile
from .other_content import OTHER_CONTENT
from .texts import TEXTS

__all__ = ["NORMAL", "READER_FILES", "ROWS", "ReaderFile"]

READER_FILES: Final[Mapping[str, ReaderFile]] = {**TEXTS, **ARRAYS, **OTHER_CONTENT, **CELLS}
