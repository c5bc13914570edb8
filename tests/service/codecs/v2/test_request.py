"""v2 requests: JSON numbers and bytes give the same tensors; an input that does not fit is an error that names it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.codecs.v2.document import MAX_TENSORS, SMALL_BYTES
from diffeo.service.codecs.v2.request import InferRequest, RequestedOutput, decode
from diffeo.service.codecs.v2.signature import ANY_SIZE, Signature, TensorSpec
from diffeo.service.errors import InvalidRequest, MalformedBody, RequestError
from tests.given.clients import v2_client as v2

ROWS = Signature(
    (TensorSpec("x", ("FP32", "FP64"), (ANY_SIZE, 2)),),
    (TensorSpec("z", ("FP32",), (ANY_SIZE, 2)), TensorSpec("y", ("FP32",), (ANY_SIZE,))),
)
COUNT = Signature((TensorSpec("n", ("INT64",), (1,), required=False),), (TensorSpec("x", ("FP32",), (ANY_SIZE, 2)),))
X = [[1.5, -2.0], [3.0, 0.1], [1e-40, 2.0]]
ENTRY = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}
OUTPUT = {"name": "z"}


def decode_body(sent: v2.RequestBody, signature: Signature = ROWS) -> InferRequest:
    length = sent.headers.get(v2.LENGTH)
    return decode(sent.content, None if length is None else length.encode(), signature)


def read(document: object, signature: Signature = ROWS) -> InferRequest:
    return decode(json.dumps(document).encode(), None, signature)


def test_bytes_flat_data_and_nested_data_give_the_same_tensor() -> None:
    flat, _ = v2.tensor("x", X)
    packed = decode_body(v2.body(v2.tensor("x", X, binary=True))).inputs["x"]
    assert packed.dtype == np.float32
    for data in (flat["data"], np.array(X, np.float32).tolist()):
        numbers = read({"inputs": [{**flat, "data": data}]}).inputs["x"]
        assert numbers.dtype == np.float64
        np.testing.assert_array_equal(numbers.astype(np.float32), packed)


@pytest.mark.parametrize("pad", range(9))
@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_a_tensor_from_bytes_is_aligned_at_any_length_of_the_json(pad: int, datatype: str) -> None:
    tensor = decode_body(v2.body(v2.tensor("x", X, datatype, binary=True), id="a" * pad)).inputs["x"]
    assert tensor.flags.aligned
    np.testing.assert_array_equal(tensor, np.array(X, v2.DTYPES[datatype]))


def test_null_becomes_nan() -> None:
    for data in ([1, None, 2, 3], [[1, None], [2, 3]]):
        np.testing.assert_array_equal(read({"inputs": [{**ENTRY, "data": data}]}).inputs["x"], [[1, math.nan], [2, 3]])


def test_a_tensor_may_have_no_rows() -> None:
    for sent in (
        v2.body(v2.tensor("x", np.zeros((0, 2)))),
        v2.body(v2.tensor("x", np.zeros((0, 2)), binary=True)),
    ):
        assert decode_body(sent).inputs["x"].shape == (0, 2)


cells = st.integers(-9, 9) | st.floats(-9, 9, width=32) | st.none()
odd = st.lists(cells, max_size=3) | st.booleans() | st.text(max_size=2) | st.dictionaries(st.text(max_size=1), cells)
tables = st.lists(st.lists(cells, min_size=2, max_size=2)) | st.lists(cells) | st.lists(cells | odd, max_size=4) | odd


def expected(data: object, rows: int) -> np.ndarray | None:
    """The table that Python reads in the data, if it has `rows` pairs of numbers, flat or nested."""
    if not isinstance(data, list):
        return None
    pairs = all(isinstance(row, list) and len(row) == 2 for row in data) and len(data) == rows
    flat = [cell for row in data for cell in row] if pairs and data else data
    if len(flat) != 2 * rows or any(type(cell) not in {int, float, type(None)} for cell in flat):
        return None
    return np.array(flat, np.float64).reshape(rows, 2)


@given(data=tables, rows=st.integers(0, 4), pad=st.sampled_from([0, SMALL_BYTES]))
def test_data_is_a_table_exactly_when_python_reads_one_of_that_shape(data: object, rows: int, pad: int) -> None:
    text = json.dumps({"inputs": [{**ENTRY, "shape": [rows, 2], "data": data}]}).encode() + b" " * pad
    table = expected(data, rows)
    if table is None:
        with pytest.raises(InvalidRequest, match="x"):
            decode(text, None, ROWS)
    else:
        np.testing.assert_array_equal(decode(text, None, ROWS).inputs["x"], table)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3) | st.just("x"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "data", ":"]), inner),
    max_leaves=5,
)
entries = st.fixed_dictionaries(
    {"name": st.just("x"), "shape": st.just([1, 2]), "datatype": st.just("FP32")},
    optional={
        "data": st.lists(st.integers(0, 9) | values, min_size=2, max_size=2),
        "parameters": values,
        "more": values,
    },
)
documents = st.fixed_dictionaries(
    {"inputs": st.lists(entries, max_size=2) | values},
    optional={"id": values, "outputs": st.just([OUTPUT]) | values, "parameters": values, "data": values},
)


def decoded_or_error(body: bytes) -> object:
    try:
        request = decode(body, None, ROWS)
    except RequestError as error:
        return type(error), str(error)
    return (
        request.id,
        repr(request.parameters),
        request.outputs,
        {name: one.tolist() for name, one in request.inputs.items()},
    )


@given(documents)
def test_the_fast_and_the_careful_path_give_the_same_result(document: object) -> None:
    # White space makes a small body large, so that it takes the path of large bodies.
    body = json.dumps(document).encode()
    assert repr(decoded_or_error(body)) == repr(decoded_or_error(body + b" " * SMALL_BYTES))


MISLEADING_DOCUMENTS = {
    "data elsewhere": '{"data": [[1, 2], [3, 4]], "inputs": [%s"data": [[1], [2, 3, 4]]}]}',
    "data elsewhere, and the key in another spelling": (
        '{"data": [1, 2, 3, 4], "inputs": [%s"d\\u0061ta": [[1], [2, 3, 4]]}]}'
    ),
    "data in a text": '{"id": "\\"data\\":[[1,2],[3,4]]", "inputs": [%s"data": [[1], [2, 3, 4]]}]}',
    "a key that is data without its digits": '{"inputs": [%s"da1ta": [[1, 2], [3, 4]], "data": [[1], [2, 3, 4]]}]}',
}


@pytest.mark.parametrize("text", MISLEADING_DOCUMENTS.values(), ids=MISLEADING_DOCUMENTS.keys())
def test_a_table_elsewhere_in_the_document_is_not_taken_for_the_data(text: str) -> None:
    body = (text % '{"name": "x", "shape": [2, 2], "datatype": "FP32", ').encode()
    for pad in (0, SMALL_BYTES):
        with pytest.raises(InvalidRequest, match="not nested as its shape"):
            decode(body + b" " * pad, None, ROWS)


def test_fields_that_the_protocol_does_not_have_are_ignored() -> None:
    request = read({"model_name": "m", "more": {"deep": [{}]}, "inputs": [{**ENTRY, "content_type": "np"}]})
    assert request.inputs["x"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("absent", [{}, {"id": None, "parameters": None, "outputs": None}, {"outputs": []}])
def test_a_request_that_names_no_output_gets_all_outputs(absent: dict[str, object]) -> None:
    assert read({"inputs": [ENTRY], **absent}).outputs == (
        RequestedOutput("z", binary=False),
        RequestedOutput("y", binary=False),
    )
    fields = {**absent, "parameters": {"binary_data_output": True, "seed": 7}}
    request = read({"inputs": [ENTRY], **fields})
    assert request.outputs == (RequestedOutput("z", binary=True), RequestedOutput("y", binary=True))
    assert (request.id, request.parameters) == (None, {"seed": 7})


def test_outputs_keep_the_order_of_the_request_and_each_is_bytes_or_numbers() -> None:
    outputs = [{"name": "y", "parameters": {"binary_data": False}}, {"name": "z"}]
    request = read({"inputs": [ENTRY], "outputs": outputs, "parameters": {"binary_data_output": True}})
    assert request.outputs == (RequestedOutput("y", binary=False), RequestedOutput("z", binary=True))


def test_the_length_header_may_cover_the_whole_body() -> None:
    content = json.dumps({"inputs": [ENTRY], "id": "42"}).encode()
    assert decode(content, b"%d" % len(content), ROWS).id == "42"


@pytest.mark.parametrize("rows", [1, 3])
def test_a_raw_body_is_the_only_input_and_all_outputs_are_bytes(rows: int) -> None:
    request = decode(np.array(X[:rows], np.float32).tobytes(), b"0", ROWS)
    np.testing.assert_array_equal(request.inputs["x"], np.array(X[:rows], np.float32))
    assert request.outputs == (RequestedOutput("z", binary=True), RequestedOutput("y", binary=True))
    assert decode(np.array([7], np.int64).tobytes(), b"0", COUNT).inputs["n"].tolist() == [7]


def test_a_raw_body_of_two_numbers_does_not_fit_an_input_of_one() -> None:
    with pytest.raises(MalformedBody, match=r"16 bytes does not fit input n: INT64 \[1\]"):
        decode(np.array([7, 8], np.int64).tobytes(), b"0", COUNT)


def test_an_input_that_is_not_required_may_be_missing() -> None:
    assert read({"inputs": []}, COUNT).inputs == {}


BAD_BODIES: dict[str, tuple[bytes, bytes | None]] = {
    "nothing": (b"", None),
    "nothing, and a length": (b"", b"0"),
    "no JSON": (b"x,y\n1,2\n", None),
    "a list": (b"[]", None),
    "NaN": (b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [NaN, 1]}]}', None),
    "a repeated key": (b'{"inputs": [], "inputs": []}', None),
    "a repeated key of an input": (b'{"inputs": [{"name": "y", "name": "x"}]}', None),
    "a repeated parameter": (b'{"parameters": {"seed": 1, "seed": 2}, "inputs": []}', None),
    "a length that is no number": (b"{}", b"two"),
    "a length below nothing": (b"{}", b"-1"),
    "a length beyond the body": (b"{}", b"3"),
    "a length of many digits": (b"{}", b"9" * 5000),
    "bytes that belong to no input": (b'{"inputs": []}1234', b"14"),
    "a raw body with half a row": (b"1234", b"0"),
    "a raw body with a byte too many": (b"123456789", b"0"),
}


@pytest.mark.parametrize(("body", "length"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_contradicts_its_headers_is_malformed(body: bytes, length: bytes | None) -> None:
    with pytest.raises(MalformedBody) as caught:
        decode(body, length, ROWS)
    assert len(str(caught.value)) < 200


BAD_INPUTS: dict[str, dict[str, object]] = {
    "no datatype": {"datatype": None},
    "a datatype of the protocol": {"datatype": "FP16"},
    "no datatype of the protocol": {"datatype": "float"},
    "no shape": {"shape": None},
    "a shape that is no list": {"shape": 4},
    "a shape below nothing": {"shape": [-1, 2]},
    "a shape of floats": {"shape": [2.0, 2]},
    "a shape of booleans": {"shape": [True, 2]},
    "another width": {"shape": [1, 4]},
    "another rank": {"shape": [4]},
    "a rank beyond all": {"shape": [1] * 5000},
    "a shape beyond memory": {"shape": [2**62, 2]},
    "no data": {"data": None},
    "data that is a number": {"data": 1},
    "data that is an object": {"data": {"a": 1}},
    "too few numbers": {"data": [1, 2, 3]},
    "too many numbers": {"data": [1, 2, 3, 4, 5]},
    "a ragged table": {"data": [[1], [2, 3, 4]]},
    "a table of another shape": {"data": [[1, 2, 3, 4]]},
    "one level too many": {"data": [[[1], [2]], [[3], [4]]]},
    "text for a number": {"data": [1, "2", 3, 4]},
    "a boolean for a number": {"data": [1, True, 3, 4]},
    "data and bytes": {"parameters": {"binary_data_size": 16}},
    "a size that is not the shape's": {"data": None, "parameters": {"binary_data_size": 15}},
    "a size that is a float": {"data": None, "parameters": {"binary_data_size": 16.0}},
    "a size below nothing": {"data": None, "parameters": {"binary_data_size": -16}},
    "a size in words": {"data": None, "parameters": {"binary_data_size": "16"}},
    "bytes that are missing": {"data": None, "parameters": {"binary_data_size": 16}},
    "shared memory": {"data": None, "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 16}},
    "parameters that are a list": {"parameters": []},
    "a parameter that is a list": {"parameters": {"a": []}},
}


@pytest.mark.parametrize("change", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
@pytest.mark.parametrize("pad", [0, SMALL_BYTES])
def test_an_input_that_does_not_fit_is_an_error_that_names_it(change: dict[str, object], pad: int) -> None:
    entry = {key: value for key, value in {**ENTRY, **change}.items() if value is not None}
    with pytest.raises(RequestError, match=r"input x ") as caught:
        decode(json.dumps({"inputs": [entry]}).encode() + b" " * pad, None, ROWS)
    assert len(str(caught.value)) < 200


LONG = "A" * 5000
BAD_REQUESTS: dict[str, tuple[dict[str, object], str]] = {
    "no inputs": ({}, "inputs must be a list"),
    "inputs that are an object": ({"inputs": ENTRY}, "inputs must be a list"),
    "an input that is a number": ({"inputs": [1]}, "inputs must be a list"),
    "an input without a name": ({"inputs": [{}]}, "an input has no name; this model has x"),
    "an unknown input": ({"inputs": [{**ENTRY, "name": "y"}]}, "input 'y' is unknown; this model has x"),
    "an input with a long name": ({"inputs": [{**ENTRY, "name": LONG}]}, "is unknown; this model has x"),
    "an input twice": ({"inputs": [ENTRY, ENTRY]}, "input x is given twice"),
    "no input at all": ({"inputs": []}, r"input x is missing; send it as FP32 \[-1, 2\]"),
    "an unknown output": ({"inputs": [ENTRY], "outputs": [{"name": "x"}]}, "output 'x' is unknown; .* has z, y"),
    "an output twice": ({"inputs": [ENTRY], "outputs": [OUTPUT, OUTPUT]}, "output z is requested twice"),
    "outputs that are a text": ({"inputs": [ENTRY], "outputs": "z"}, "outputs must be a list"),
    "an output in words": (
        {"inputs": [ENTRY], "outputs": [{"name": "z", "parameters": {"binary_data": "yes"}}]}, "must be true or false"
    ),
    "an output as classes": (
        {"inputs": [ENTRY], "outputs": [{"name": "z", "parameters": {"classification": 3}}]}, "z .* classification"
    ),
    "an output in shared memory": (
        {"inputs": [ENTRY], "outputs": [{"name": "z", "parameters": {"shared_memory_region": "r"}}]}, "z .* shared"
    ),
    "outputs as bytes in words": (
        {"inputs": [ENTRY], "parameters": {"binary_data_output": 1}}, "binary_data_output must be true or false"
    ),
    "an id that is a number": ({"inputs": [ENTRY], "id": 1}, "id must be a string"),
    "an id that is long": ({"inputs": [ENTRY], "id": LONG}, "id must be a string"),
    "parameters that are a list": ({"inputs": [ENTRY], "parameters": []}, "parameters must be an object"),
    "a parameter that is an object": ({"inputs": [ENTRY], "parameters": {"a": {}}}, "parameters must be an object"),
    "very many inputs": ({"inputs": [ENTRY] * (MAX_TENSORS + 1)}, "inputs; send at most"),
}  # fmt: skip


@pytest.mark.parametrize(("document", "sentence"), BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_request_that_does_not_fit_is_an_invalid_request_with_a_short_sentence(
    document: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as caught:
        read(document)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [1.0, True, None, "1", 2**63])
def test_an_integer_input_takes_only_integers_of_64_bits(value: object) -> None:
    with pytest.raises(InvalidRequest, match="input n "):
        read({"inputs": [{"name": "n", "shape": [1], "datatype": "INT64", "data": [value]}]}, COUNT)


@pytest.mark.parametrize("pad", [0, SMALL_BYTES])
def test_an_integer_is_read_to_its_last_digit(pad: int) -> None:
    entry = {"name": "n", "shape": [1], "datatype": "INT64", "data": [2**53 + 1]}
    body = json.dumps({"inputs": [entry]}).encode() + b" " * pad
    assert decode(body, None, COUNT).inputs["n"].tolist() == [2**53 + 1]
