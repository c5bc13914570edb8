"""Parameters from a query string: the same names and types as in a JSON body, read from text."""

import re
from collections.abc import Mapping
from typing import Final

WHOLE: Final = frozenset({"version", "num_samples", "seed", "start"})
NUMBERS: Final = frozenset({"temperature"})
LISTS: Final = frozenset({"return"})

# The grammar of JSON, bounded, so that a long digit string cannot buy quadratic time.
WHOLE_TEXT: Final = re.compile(r"-?(0|[1-9][0-9]{0,19})")
NUMBER_TEXT: Final = re.compile(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?")


def read_query(query: Mapping[str, str]) -> dict[str, object]:
    """The typed parameters; text that is not of the type stays text, and the request's own check refuses it."""
    return {name: _typed(name, text) for name, text in query.items()}


def _typed(name: str, text: str) -> object:
    if name in WHOLE and WHOLE_TEXT.fullmatch(text):
        return int(text)
    if name in NUMBERS and NUMBER_TEXT.fullmatch(text):
        return float(text)
    if name in LISTS:
        return text.split(",")
    return text
