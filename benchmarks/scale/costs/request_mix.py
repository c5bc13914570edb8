"""The mix of request sizes that the model assumes."""

from collections.abc import Mapping
from typing import Final

Mix = Mapping[int, float]  # share of the requests, by rows

# Many single rows, some tables. This is an assumption; measure your own mix.
MIX: Final[Mix] = {1: 0.6, 64: 0.3, 1024: 0.1}


def mean_rows(mix: Mix) -> float:
    """Mean number of rows of one request.

    >>> mean_rows({1: 0.5, 3: 0.5})
    2.0
    """
    return sum(rows * share for rows, share in mix.items()) / sum(mix.values())
