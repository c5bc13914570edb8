"""Rounds measured numbers to the digits that a manifest keeps."""

import math
from typing import Final

DIGITS: Final = 6
# A float64 has no more.
MOST_DIGITS: Final = 15


def rounded(value: float, span: float | None = None) -> float:
    """The value with six significant digits, or with all digits of a difference of a ten-thousandth of `span`.

    >>> rounded(0.123456789), rounded(1700000012.3456, span=50.0)
    (0.123457, 1700000012.346)
    """
    digits = DIGITS
    if span is not None and 0 < span < math.inf and 0 < abs(value) < math.inf:
        digits = min(MOST_DIGITS, max(1, math.floor(math.log10(abs(value))) - math.floor(math.log10(span)) + 5))
    return float(f"{value:.{digits}g}")
