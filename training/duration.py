"""Reads and writes spans of time such as 90s, 2m and 1h30m."""

import re
from typing import Final

FORM: Final = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")
LONGEST: Final = 30 * 24 * 3600.0  # seconds


def parse(text: str) -> float:
    """The seconds of a span of time; hours, minutes and seconds in this order, each at most once.

    >>> parse("90s"), parse("2m"), parse("1h30m"), parse("1.5h")
    (90.0, 120.0, 5400.0, 5400.0)

    Raises:
        ValueError: the text has another form, or the span is zero or longer than 30 days.
    """
    found = FORM.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is not a span of time; write it as 90s, 2m or 1h30m")
    hours, minutes, seconds = (float(found[unit] or 0) for unit in "hms")
    total = 3600 * hours + 60 * minutes + seconds
    if not 0 < total <= LONGEST:
        raise ValueError(f"{text!r} is {total:g} seconds; give more than 0s and at most {LONGEST / 3600:g}h")
    return total


def text(seconds: float) -> str:
    """The span in words of at most two units, rounded.

    >>> text(5400), text(120), text(75.4), text(3.2), text(0.25)
    ('1h30m', '2m', '1m15s', '3s', '0.2s')
    """
    if seconds < 1:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole >= 3600:  # noqa: PLR2004  (an hour)
        whole = 60 * round(whole / 60)
    parts = zip((whole // 3600, whole // 60 % 60, whole % 60), "hms", strict=True)
    return "".join(f"{count}{unit}" for count, unit in parts if count)
