"""Rounds measured numbers to the digits that a manifest keeps."""

from typing import Final

DIGITS: Final = 6


def rounded(value: float) -> float:
    """The value with six significant digits; a measurement has no more.

    >>> rounded(0.123456789), rounded(1234567.0)
    (0.123457, 1234570.0)
    """
    return float(f"{value:.{DIGITS}g}")
