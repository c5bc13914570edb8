"""Properties of every format: it reads back the bits that it wrote, and a wrong body raises one request error."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from diffeo.service.answer import Answer, AnswerSchema, InvalidRow
from diffeo.service.codecs import CODECS
from diffeo.service.codecs.codec import Codec
from diffeo.service.errors import RequestError
from diffeo.service.requests import Payload
from tests.given.decoded_rows import decoded_rows

COLUMNS = ("x0", "x1", "x2", "x3")
STREAMING = [codec for codec in CODECS if codec.name not in {"json", "npz"}]

every_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
every_stream = pytest.mark.parametrize("codec", STREAMING, ids=lambda codec: codec.name)

dtypes: st.SearchStrategy[type[np.floating]] = st.sampled_from((np.float32, np.float64))


def tables(dtype: type[np.floating], *, nan: bool = False) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 6), st.integers(1, 4))
    numbers = st.floats(width=32 if dtype is np.float32 else 64, allow_nan=False, allow_infinity=False)
    tables = arrays.arrays(dtype, shapes, elements=numbers)
    return tables.flatmap(with_rows_of_nan) if nan else tables


def with_rows_of_nan(table: np.ndarray) -> st.SearchStrategy[np.ndarray]:
    finite = arrays.arrays(np.bool_, len(table))
    return finite.map(lambda keep: np.where(keep[:, None], table, table.dtype.type(np.nan)))


def answer_of(table: np.ndarray, outputs: tuple[str, ...] = ("x",)) -> Answer:
    tensors = {"x": table, "log_prob": np.clip(table[:, 0], -1e9, 1e9).astype(np.float32), "z": -table}
    invalid = tuple(InvalidRow(int(row), "non_finite_input") for row in np.flatnonzero(np.isnan(table[:, 0])))
    columns = COLUMNS[: table.shape[1]]
    return Answer("m", 1, columns, {name: tensors[name] for name in outputs}, {}, invalid)


def schema_of(answer: Answer) -> AnswerSchema:
    rows = len(next(iter(answer.tensors.values())))
    return AnswerSchema(rows, answer.columns, {name: tensor.dtype for name, tensor in answer.tensors.items()})


@given(dtypes.flatmap(tables))
@every_codec
def test_every_format_reads_back_the_bits_that_it_wrote(codec: Codec, table: np.ndarray) -> None:
    body = codec.encode(answer_of(table))
    payload = codec.decode(body, {})
    assert decoded_rows(codec, body).astype(table.dtype).tobytes() == table.tobytes()
    assert payload.rows_name in {"x", None}
    assert payload.columns in {COLUMNS[: table.shape[1]], None}


@every_codec
def test_a_table_longer_than_a_block_is_written_to_its_last_row(codec: Codec) -> None:
    table = np.random.default_rng(7).standard_normal((5001, 2), np.float32)
    np.testing.assert_array_equal(decoded_rows(codec, codec.encode(answer_of(table))).astype(np.float32), table)


@given(dtypes.flatmap(lambda dtype: tables(dtype, nan=True)))
@pytest.mark.parametrize(
    "codec", [codec for codec in CODECS if codec.name in {"npy", "arrow", "csv"}], ids=lambda codec: codec.name
)
def test_a_row_without_a_result_reads_back_as_nan_if_the_format_has_nan_or_null(
    codec: Codec, table: np.ndarray
) -> None:
    rows = decoded_rows(codec, codec.encode(answer_of(table)))
    np.testing.assert_array_equal(rows.astype(table.dtype), table)


cuts = st.lists(st.integers(0, 6), max_size=3)
outputs = st.permutations(["x", "log_prob", "z"]).flatmap(
    lambda names: st.integers(1, 3).map(lambda count: tuple(names[:count]))
)


def joined(codec: Codec, answer: Answer, cut: list[int]) -> bytes:
    schema = schema_of(answer)
    stream = codec.stream_encoder(schema)
    assert stream is not None
    edges = [0, *sorted(min(row, schema.rows) for row in cut), schema.rows]
    blocks = [
        stream.block({name: tensor[begin:end] for name, tensor in answer.tensors.items()})
        for begin, end in pairwise(edges)
        if begin < end
    ]
    body = b"".join([stream.header(), *blocks, stream.footer()])
    assert stream.content_length in {None, len(body)}
    return body


@given(dtypes.flatmap(lambda dtype: tables(dtype, nan=True)), outputs)
@every_stream
def test_header_block_and_footer_joined_are_the_encoded_answer(
    codec: Codec, table: np.ndarray, names: tuple[str, ...]
) -> None:
    answer = answer_of(table, names[:1] if codec.single_array else names)
    assert joined(codec, answer, []) == codec.encode(answer)


@given(dtypes.flatmap(tables), cuts)
@every_stream
def test_a_stream_of_any_blocks_has_the_same_rows(codec: Codec, table: np.ndarray, cut: list[int]) -> None:
    answer = answer_of(table)
    body = joined(codec, answer, cut)
    assert decoded_rows(codec, body).astype(table.dtype).tobytes() == table.tobytes()
    # Each Arrow record batch has its own frame. In the other formats the blocks leave no trace.
    assert codec.name == "arrow" or body == codec.encode(answer)


@every_codec
def test_a_format_has_a_stream_encoder_or_returns_none(codec: Codec) -> None:
    schema = AnswerSchema(3, ("x0",), {"x": np.dtype(np.float32)})
    assert (codec.stream_encoder(schema) is None) == (codec not in STREAMING)


@every_codec
def test_an_answer_without_rows_can_be_encoded(codec: Codec) -> None:
    written = codec.encode(answer_of(np.empty((0, 2), np.float32)))
    assert codec.name == "ndjson" or decoded_rows(codec, written).shape in {(0, 2), (0, 0)}


def check_decodes_or_raises_request_error(codec: Codec, body: bytes) -> None:
    try:
        payload = codec.decode(body, {})
    except RequestError as error:
        assert 0 < len(str(error)) < 200
        return
    assert isinstance(payload, Payload)
    if payload.rows is not None:
        assert payload.rows.dtype in {np.dtype(np.float32), np.dtype(np.float64)}
        assert payload.rows.ndim == 2
        assert payload.columns is None or len(payload.columns) == payload.rows.shape[1]


@given(st.binary(max_size=200))
@every_codec
def test_any_bytes_decode_or_raise_a_request_error(codec: Codec, body: bytes) -> None:
    check_decodes_or_raises_request_error(codec, body)


TABLE = np.array([[0.5, -1.25], [3e8, 1e-7], [-0.0, 2]])
changes = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4), st.binary(max_size=5)), min_size=1, max_size=4)


@given(dtypes, changes)
@every_codec
def test_a_body_with_changed_bytes_decodes_or_raises_a_request_error(
    codec: Codec, dtype: type[np.floating], change: list[tuple[float, int, bytes]]
) -> None:
    body = codec.encode(answer_of(TABLE.astype(dtype)))
    for position, removed, added in change:
        at = int(position * len(body))
        body = body[:at] + added + body[at + removed :]
    check_decodes_or_raises_request_error(codec, body)


@every_codec
def test_a_body_cut_at_any_byte_decodes_or_raises_a_request_error(codec: Codec) -> None:
    body = codec.encode(answer_of(TABLE))
    for end in range(len(body)):
        check_decodes_or_raises_request_error(codec, body[:end])


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec.name != "json"], ids=lambda codec: codec.name)
def test_a_table_format_takes_parameters_from_the_query_with_and_without_a_body(codec: Codec) -> None:
    query = {"model": "m", "version": "2", "return": "x,z"}
    parameters = {"model": "m", "version": 2, "return": ["x", "z"]}
    assert codec.decode(b"", query) == Payload(parameters)
    assert codec.decode(codec.encode(answer_of(TABLE)), query).parameters == parameters


def test_every_format_has_its_own_name_and_media_type() -> None:
    assert len({codec.name for codec in CODECS}) == len({codec.media_type for codec in CODECS}) == len(CODECS)
