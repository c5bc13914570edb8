"""A query string has the parameters of a JSON body as text; text of the wrong type stays text and is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.errors import InvalidRequest
from diffeo.service.query import read_query
from diffeo.service.requests import Limits, ModelSelector, Payload, SampleRequest

LIMITS = Limits(max_rows=5, max_num_samples=2**53)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("num_samples", "10", 10),
        ("seed", "9007199254740991", 9007199254740991),
        ("start", "-1", -1),
        ("version", "1", 1),
        ("temperature", "1", 1.0),
        ("temperature", "0.25", 0.25),
        ("temperature", "1e-3", 0.001),
        ("return", "x", ["x"]),
        ("return", "x,log_prob", ["x", "log_prob"]),
        ("model", "7", "7"),
        ("direction", "forward", "forward"),
        ("on_invalid", "null", "null"),
    ],
)
def test_a_parameter_has_the_same_type_as_in_json(name: str, text: str, value: object) -> None:
    read = read_query({name: text})[name]
    assert read == value
    assert type(read) is type(value)


NOT_WHOLE = ["", " 1", "1 ", "+1", "01", "1.0", "1e3", "1_0", "\u0661", "9" * 21, "9" * 5000, "true", "null"]
NOT_NUMBERS = ["", ".5", "1.", "nan", "inf", "1e999", "1e9999", "00.1", "1_0", "0x1p3", "-", "\u0661", "1" * 30]


@pytest.mark.parametrize("text", NOT_WHOLE, ids=lambda text: text[:5])
@pytest.mark.parametrize("name", ["num_samples", "seed", "start", "version"])
def test_text_that_is_not_a_whole_number_is_an_invalid_request(name: str, text: str) -> None:
    parameters = read_query({name: text})
    with pytest.raises(InvalidRequest, match=f"{name} must be a whole number"):
        (ModelSelector.parse if name == "version" else sample)(parameters)


@pytest.mark.parametrize("text", NOT_NUMBERS, ids=lambda text: text[:5])
def test_text_that_is_not_a_number_is_an_invalid_request(text: str) -> None:
    with pytest.raises(InvalidRequest, match="temperature must be a number"):
        sample(read_query({"temperature": text}))


@given(st.integers(1, 2**53 - 1), st.floats(1e-300, 10))
def test_a_number_written_as_text_is_read_back_exactly(number: int, temperature: float) -> None:
    read = read_query({"num_samples": str(number), "temperature": f"{temperature:.17e}"})
    assert read == {"num_samples": number, "temperature": temperature}


def sample(parameters: dict[str, object]) -> SampleRequest:
    return SampleRequest.parse(Payload(parameters), LIMITS)
