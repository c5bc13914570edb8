"""A parsed request is valid; everything else is one RequestError that points at the wrong field."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.bundle.read import read
from diffeo.service.errors import FieldError, InvalidRequest, RequestError, TooLarge
from diffeo.service.requests import (
    Limits,
    LogProbRequest,
    ModelSelector,
    Payload,
    SampleRequest,
    TransformRequest,
    UnreadableColumn,
)
from tests.given.flows import affine

TALL = UnreadableColumn("height", FieldError("/0/1", "line 2, column 'height': 'tall' is no number"))
MANIFEST = read(affine.PATH).manifest
LIMITS = Limits(max_rows=5, max_num_samples=100)
ROWS = np.zeros((2, 2))
Parse = Callable[..., object]


def parse_model_and_sample(**parameters: object) -> SampleRequest:
    """Parses the model parameters and the sample parameters."""
    ModelSelector.parse(parameters)
    return sample(**parameters)


def sample(**parameters: object) -> SampleRequest:
    return SampleRequest.parse(Payload(parameters), LIMITS)


def log_prob(rows: np.ndarray | None = ROWS, name: str | None = "x", /, **parameters: object) -> LogProbRequest:
    return LogProbRequest.parse(Payload(parameters, rows, name), MANIFEST, LIMITS)


def transform(rows: np.ndarray | None = ROWS, name: str | None = "x", /, **parameters: object) -> TransformRequest:
    return TransformRequest.parse(Payload(parameters, rows, name), MANIFEST, LIMITS)


def returned(*outputs: object) -> dict[str, object]:
    return {"return": list(outputs)}


def test_a_sample_request_needs_no_parameter() -> None:
    assert sample() == SampleRequest(1, None, 0, 1.0, ("x",))


def test_a_log_prob_request_answers_invalid_rows_with_null_by_default() -> None:
    assert log_prob().on_invalid == "null"
    assert log_prob(on_invalid="error").on_invalid == "error"


@pytest.mark.parametrize(("direction", "source", "image"), [("forward", "x", "z"), ("inverse", "z", "x")])
def test_a_transform_request_returns_the_image_and_the_jacobian_by_default(
    direction: str, source: str, image: str
) -> None:
    assert transform(ROWS, source, direction=direction).outputs == (image, "log_abs_det_jacobian")
    assert transform(ROWS, source, direction=direction, **returned(image)).outputs == (image,)
    assert transform(ROWS, None, direction=direction).direction == direction


def test_every_request_may_select_a_model() -> None:
    parameters = {"model": "affine2d", "version": 3}
    assert ModelSelector.parse(parameters) == ModelSelector("affine2d", 3)
    assert ModelSelector.parse({}) == ModelSelector(None, None)
    assert sample(**parameters) == sample()
    assert log_prob(**parameters).on_invalid == "null"
    assert transform(direction="forward", **parameters).direction == "forward"


BOUNDARIES = [
    ({"num_samples": 1}, {"num_samples": 0}),
    ({"num_samples": 100}, {"num_samples": 101}),
    ({"seed": 0}, {"seed": -1}),
    ({"seed": 2**53 - 1}, {"seed": 2**53}),
    ({"start": 0}, {"start": -1}),
    ({"start": 2**53 - 4, "num_samples": 3}, {"start": 2**53 - 3, "num_samples": 3}),
    ({"temperature": 1e-9}, {"temperature": 0}),
    ({"temperature": 10}, {"temperature": 10.1}),
    ({"version": 1}, {"version": 0}),
    ({"version": 2**31 - 1}, {"version": 2**31}),
    ({"model": "a" * 64}, {"model": "a" * 65}),
    ({"model": "A-9_z"}, {"model": "-a"}),
]


@pytest.mark.parametrize(("inside", "outside"), BOUNDARIES, ids=json.dumps)
def test_a_value_at_its_bound_is_valid_and_the_next_is_an_error(
    inside: dict[str, object], outside: dict[str, object]
) -> None:
    parse_model_and_sample(**inside)
    with pytest.raises(RequestError) as caught:
        parse_model_and_sample(**outside)
    (error,) = caught.value.field_errors
    assert error.pointer.lstrip("/") in outside
    assert error.detail == str(caught.value)


WRONG_TYPES: dict[str, list[object]] = {
    "num_samples": ["10", True, 1.0, None, [1], {}],
    "seed": ["7", False, 7.0, None],
    "start": ["0", True, 0.0, None],
    "temperature": ["1", True, None, float("nan"), float("inf")],
    "return": ["x", [], ["y"], [["x"]], [1], None, {"x": 1}],
    "model": [1, "", "../affine2d", "a b", "a/b", "é", "a\n", None, True, ["a"]],
    "version": ["1", True, 1.0, None],
}
CASES = [(name, value) for name, values in WRONG_TYPES.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}={value!r}" for name, value in CASES])
def test_a_value_of_another_type_is_an_invalid_request_with_a_pointer(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_model_and_sample(**{name: value})
    assert [error.pointer for error in caught.value.field_errors] == [f"/{name}"]


@pytest.mark.parametrize("parse", [sample, log_prob, lambda **p: transform(direction="forward", **p)])
@pytest.mark.parametrize(
    ("name", "pointer"),
    [("X", "/X"), ("Seed", "/Seed"), ("", "/"), ("a/b~c", "/a~1b~0c"), ("é", "/é"), ("k" * 500, "/" + "k" * 64)],
    ids=lambda text: text[:8],
)
def test_an_unknown_parameter_is_an_invalid_request_that_points_at_its_name(
    parse: Parse, name: str, pointer: str
) -> None:
    with pytest.raises(InvalidRequest, match=r"unknown parameter; this operation takes .*model, .*version") as caught:
        parse(**{name: 1})
    assert caught.value.field_errors[0].pointer == pointer


INVALID_REQUESTS = {
    "rows in a sample": (lambda: SampleRequest.parse(Payload({}, ROWS, "x"), LIMITS), "/x", "no rows"),
    "rows without a name in a sample": (lambda: SampleRequest.parse(Payload({}, ROWS, None), LIMITS), "", "no rows"),
    "no rows to score": (lambda: log_prob(None, None), "/x", "x is missing; send a list of rows of 2 numbers"),
    "z to score": (lambda: log_prob(ROWS, "z"), "/z", "takes rows of x"),
    "z forward": (lambda: transform(ROWS, "z", direction="forward"), "/z", "takes rows of x"),
    "x inverse": (lambda: transform(ROWS, "x", direction="inverse"), "/x", "takes rows of z"),
    "nothing inverse": (lambda: transform(None, None, direction="inverse"), "/z", "z is missing"),
    "no direction": (transform, "/direction", "forward"),
    "another direction": (lambda: transform(direction="backward"), "/direction", "inverse"),
    "the wrong image": (lambda: transform(direction="forward", **returned("x")), "/return", "z, log_abs"),
    "a seed to score": (lambda: log_prob(seed=1), "/seed", "unknown"),
    "another on_invalid": (lambda: log_prob(on_invalid="skip"), "/on_invalid", "null"),
    "too wide": (lambda: log_prob(np.zeros((1, 3))), "/x/0", "3 numbers; this model takes 2: height, weight"),
    "too narrow": (lambda: log_prob(np.zeros((1, 1))), "/x/0", "1 numbers"),
    "too many rows": (
        lambda: log_prob(np.zeros((6, 2))),
        "/x",
        "6 rows; the limit is 5: send the rows in several requests",
    ),
    "too many samples": (
        lambda: sample(num_samples=101),
        "/num_samples",
        "limit is 100: draw the rows in several requests with start",
    ),
}


@pytest.mark.parametrize(("parse", "pointer", "words"), INVALID_REQUESTS.values(), ids=INVALID_REQUESTS.keys())
def test_an_error_has_a_pointer_and_says_what_to_do(parse: Parse, pointer: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        parse()
    assert [error.pointer for error in caught.value.field_errors] == [pointer]
    assert isinstance(caught.value, TooLarge) == ("limit" in str(caught.value))


@pytest.mark.parametrize("width", [0, 1, 2, 3])
def test_an_empty_table_of_any_width_is_valid(width: int) -> None:
    assert log_prob(np.zeros((0, width))).x.shape == (0, 2)


def test_the_error_sentence_of_a_wide_model_is_short() -> None:
    columns = tuple(f"{'measurement' * 10}{index}" for index in range(1000))
    wide = MANIFEST.model_copy(update={"columns": columns})
    with pytest.raises(InvalidRequest, match=r"this model takes 1000: .*\.\.\.$") as caught:
        LogProbRequest.parse(Payload({}, ROWS, "x"), wide, LIMITS)
    assert len(str(caught.value)) < 300


names = st.sampled_from("num_samples seed start temperature return model version direction on_invalid more".split())
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["x", "z", "forward", "null"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@given(st.dictionaries(names, values))
@pytest.mark.parametrize("parse", [log_prob, transform])
def test_any_parameters_are_a_valid_request_or_one_request_error(
    parse: Callable[..., LogProbRequest | TransformRequest], parameters: dict[str, object]
) -> None:
    try:
        assert parse(**parameters).on_invalid in {"null", "error"}
    except RequestError as error:
        assert len(error.field_errors) == 1


@given(st.dictionaries(names, values))
def test_any_sample_parameters_are_a_valid_request_or_one_request_error(parameters: dict[str, object]) -> None:
    try:
        request = parse_model_and_sample(**parameters)
    except RequestError as error:
        assert len(error.field_errors) == 1
    else:
        assert 1 <= request.num_samples <= LIMITS.max_num_samples
        assert 0 <= request.start < 2**53 - request.num_samples
        assert 0 < request.temperature <= 10
        assert set(request.outputs) <= {"x", "log_prob", "z"}
        assert request.outputs


def named(*columns: str, name: str | None = None) -> LogProbRequest:
    rows = np.array([[1.0, 2.0, 3.0][: len(columns)]])
    return LogProbRequest.parse(Payload({}, rows, name, columns), MANIFEST, LIMITS)


def test_named_columns_are_matched_by_name() -> None:
    assert named("height", "weight").x.tolist() == [[1, 2]]
    assert named("weight", "height").x.tolist() == [[2, 1]]


@pytest.mark.parametrize("columns", [("height", "depth"), ("weight", "weight")])
def test_a_table_without_a_column_of_the_model_is_an_invalid_request(columns: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest, match=r"the model takes height, weight; missing: (weight|height)$"):
        named(*columns)


def test_further_columns_are_left_out() -> None:
    assert named("weight", "id", "height").x.tolist() == [[3, 1]]
    assert named("id", " height", "weight ").x.tolist() == [[2, 3]]


def test_a_repeated_column_of_the_model_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="the table names the column height twice; the model takes height, weight"):
        named("height", "height", "weight")
    with pytest.raises(InvalidRequest, match="twice"):
        LogProbRequest.parse(Payload({}, np.ones((1, 2)), None, ("height", "weight"), (TALL,)), MANIFEST, LIMITS)


def test_a_column_that_holds_no_numbers_is_an_error_only_if_the_model_takes_it() -> None:
    label = UnreadableColumn("label", FieldError("/0/2", "no number"))
    payload = Payload({}, np.array([[1.0, 2.0]]), None, ("weight", "height"), (label,))
    assert LogProbRequest.parse(payload, MANIFEST, LIMITS).x.tolist() == [[2, 1]]
    with pytest.raises(InvalidRequest, match="line 2, column 'height'") as caught:
        LogProbRequest.parse(Payload({}, np.ones((1, 1)), None, ("weight",), (TALL,)), MANIFEST, LIMITS)
    assert caught.value.field_errors == (TALL.error,)


def test_columns_of_z_are_named_z0_z1_and_so_on() -> None:
    payload = Payload({"direction": "inverse"}, np.array([[1.0, 2.0]]), None, ("z1", "z0"))
    assert TransformRequest.parse(payload, MANIFEST, LIMITS).rows.tolist() == [[2, 1]]
