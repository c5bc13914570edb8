"""Reads parameters from a query string; they have the names and types of the parameters in a JSON body."""

import re
from collections.abc import Mapping
from typing import Final

from .requests import NUM_SAMPLES, RETURN, SEED, START, TEMPERATURE, VERSION

INTEGER_NAMES: Final = frozenset(parameter.name for parameter in (VERSION, NUM_SAMPLES, SEED, START))

# JSON's grammar of numbers with a limit on the digits, because the time to parse a number grows with their square.
INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,19})")
NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?")


def read_query(query: Mapping[str, str]) -> dict[str, object]:
    """The parameters with their types. Text that is not a number stays text, and parsing the request rejects it.

    Example:
        >>> read_query({"num_samples": "10", "temperature": "0.5", "return": "x,log_prob"})
        {'num_samples': 10, 'temperature': 0.5, 'return': ['x', 'log_prob']}
    """
    return {name: _convert(name, text) for name, text in query.items()}


def _convert(name: str, text: str) -> object:
    if name in INTEGER_NAMES and INTEGER.fullmatch(text):
        return int(text)
    if name == TEMPERATURE.name and NUMBER.fullmatch(text):
        return float(text)
    if name == RETURN:
        return text.split(",")
    return text
