"""`ReadOptions`: how a person wants a table to be read; everything that is not given is found in the content."""

from dataclasses import dataclass
from typing import Final, Literal

from diffeo.errors import TableError

Decimal = Literal[".", ","]

DELIMITERS: Final = (",", ";", "\t", "|")
# Words that a shell passes more easily than the character.
DELIMITER_WORDS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|"}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a table is read. None means: found in the content.

    Attributes:
        header: whether line 1 of a text names the columns.
        delimiter: the character between two cells: comma, semicolon, tab or bar.
        decimal: the decimal sign, a point or a comma.
        encoding: the encoding of a text, by its name in Python.
        missing_values: cells that are missing beside the usual spellings, such as -999 or ?.
        max_rows: if the table has more rows, a sample of so many is read.
        seed: seed of that sample.
        progress: whether long files show a progress bar on standard error.
    """

    header: bool | None = None
    delimiter: str | None = None
    decimal: Decimal | None = None
    encoding: str | None = None
    missing_values: frozenset[str] = frozenset()
    max_rows: int | None = None
    seed: int = 0
    progress: bool = False


def parse_delimiter(text: str) -> str:
    r"""The character that a word or the character itself names.

    >>> parse_delimiter("tab"), parse_delimiter(";")
    ('\t', ';')

    Raises:
        TableError: no such delimiter is read.
    """
    found = DELIMITER_WORDS.get(text, text)
    if found not in DELIMITERS:
        raise TableError(f"--delimiter is {text!r}; expected comma, semicolon, tab or bar")
    return found


def parse_decimal(text: str) -> Decimal:
    """The decimal sign that a word or the character itself names.

    >>> parse_decimal("comma"), parse_decimal(".")
    (',', '.')

    Raises:
        TableError: it is neither a point nor a comma.
    """
    if text in {",", "comma"}:
        return ","
    if text in {".", "point"}:
        return "."
    raise TableError(f"--decimal is {text!r}; expected point or comma")


def parse_encoding(text: str) -> str:
    """The name of an encoding that Python knows.

    >>> parse_encoding("latin1")
    'iso8859-1'

    Raises:
        TableError: Python has no such encoding of text.
    """
    import codecs  # noqa: PLC0415  (only this option needs it)

    try:
        found = codecs.lookup(text)
        "a".encode(found.name)
    except (LookupError, ValueError):
        raise TableError(f"--encoding is {text!r}; expected a name such as utf-8, utf-16, latin-1 or cp1252") from None
    return found.name
