"""The options of a person are parsed once; a wrong one is one sentence that shows the right form."""

import pytest

from diffeo.training.errors import DataError
from diffeo.training.inspection.choices import Bounds, parse_bounds, parse_missing_values, parse_names


def test_names_are_separated_by_commas_and_a_name_with_a_comma_is_quoted() -> None:
    assert parse_names('a, b ,"mass, kg",a') == ("a", "b", "mass, kg")
    assert parse_names("") == ()


def test_bounds_have_one_side_or_two() -> None:
    assert parse_bounds('a=0:1,b=-1.5:,"c=d"=:2e3') == (
        ("a", Bounds(0.0, 1.0)), ("b", Bounds(-1.5, None)), ("c=d", Bounds(None, 2000.0)),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["a", "a=1", "=0:1", "a=:", "a=1:0", "a=1:1", "a=x:1", "a=nan:1", "a=0:inf"])
def test_wrong_bounds_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(DataError, match="--bounds holds"):
        parse_bounds(text)


def test_missing_values_are_words_and_numbers() -> None:
    assert parse_missing_values("-999,?") == (frozenset({"-999", "?"}), (-999.0,))
