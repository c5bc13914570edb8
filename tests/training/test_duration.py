"""A span of time is read as a person writes it; anything else is refused with the three forms to use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.training import duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("2m", 120),
        ("1h30m", 5400),
        ("1h", 3600),
        ("1.5m", 90),
        ("1h0m5s", 3605),
        (" 3s ", 3),
        ("0.5s", 0.5),
    ],
)
def test_a_span_is_the_sum_of_its_parts(written: str, seconds: float) -> None:
    assert duration.parse(written) == seconds


@pytest.mark.parametrize("written", ["", "90", "2 m", "m", "-2m", "30m1h", "1h1h", "2min", "inf", "1e3s", "٣s2"])
def test_other_text_is_refused_with_the_forms_to_use(written: str) -> None:
    with pytest.raises(ValueError, match="write it as 90s, 2m or 1h30m"):
        duration.parse(written)


@pytest.mark.parametrize("written", ["0s", "0h0m", "999h"])
def test_a_span_that_is_no_length_of_a_fit_is_refused_with_the_bounds(written: str) -> None:
    with pytest.raises(ValueError, match="more than 0s and at most 720h"):
        duration.parse(written)


@given(st.integers(1, 3599))
def test_text_is_read_back_as_the_same_span(seconds: int) -> None:
    assert duration.parse(duration.text(seconds)) == seconds
