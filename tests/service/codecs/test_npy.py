"""The npy format: one table of floats in a request, one array in a response, parameters in the query string."""

import io

import numpy as np
import numpy.typing as npt
import pytest

from diffeo.bundle import npy
from diffeo.service.answer import Answer, AnswerSchema
from diffeo.service.codecs.npy import Npy
from diffeo.service.errors import MalformedBody, NotAcceptable

NPY = Npy()


def header(shape: str = "(1, 2)", extra: str = "") -> str:
    return f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}{extra}}}"


def packed(text: str, data: bytes = b"\0" * 8, version: bytes = b"\1\0") -> bytes:
    size = len(text).to_bytes(2 if version == b"\1\0" else 4, "little")
    return b"\x93NUMPY" + version + size + text.encode() + data


def saved(array: npt.ArrayLike) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asanyarray(array))
    return buffer.getvalue()


BAD_NPY = {
    "no npy": b"x,y\n1,2\n",
    "its magic alone": b"\x93NUMPY",
    "version 2": packed(header(), version=b"\2\0"),
    "version 3": packed(header(), version=b"\3\0"),
    "objects": saved(np.array([[1, None]], dtype=object)),
    "big endian": saved(np.zeros((1, 2), ">f4")),
    "integers": saved(np.zeros((1, 2), np.int64)),
    "half precision": saved(np.zeros((1, 2), np.float16)),
    "complex": saved(np.zeros((1, 2), np.complex64)),
    "text": saved(np.array([["a", "b"]])),
    "Fortran order": saved(np.asfortranarray(np.zeros((2, 2)))),
    "one axis": saved(np.zeros(2)),
    "three axes": saved(np.zeros((1, 1, 2))),
    "no axis": saved(np.float64(1)),
    "no columns": saved(np.zeros((1, 0))),
    "a negative shape": packed(header(shape="(-1, -2)")),
    "a huge shape": packed(header(shape=f"({2**62}, 4)")),
    "a shape whose product overflows to 8": packed(header(shape=f"({2**63 + 1}, 2)")),
    "a shape of booleans": packed(header(shape="(True, 2)")),
    "a shape of floats": packed(header(shape="(1.0, 2)")),
    "a byte too few": saved(np.zeros((1, 2)))[:-1],
    "a byte too many": saved(np.zeros((1, 2))) + b"\0",
    "two arrays": saved(np.zeros((1, 2))) * 2,
    "a header of a call": packed("__import__('os').abort()"),
    "a header of brackets": packed("[" * 250),
    "a header of a long product": packed("9**9**9**9"),
    "a header that is long": packed(header(extra=", 'pad': '" + " " * 60_000 + "'")),
    "a header that is longer than the body": b"\x93NUMPY\1\0\xff\xff{}",
    "a header that is not ASCII": packed("{'descr': 'é'}"),
    "a header without a shape": packed("{'descr': '<f4', 'fortran_order': False}"),
}


@pytest.mark.parametrize("body", BAD_NPY.values(), ids=BAD_NPY.keys())
def test_a_body_that_is_not_one_table_of_floats_with_a_short_header_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody) as caught:
        NPY.decode(body, {})
    assert len(str(caught.value)) < 200


def test_npy_takes_parameters_from_the_query_and_has_no_name_for_the_rows() -> None:
    payload = NPY.decode(saved(np.ones((3, 2))), {"model": "m", "version": "2", "return": "x,z"})
    assert payload.parameters == {"model": "m", "version": 2, "return": ["x", "z"]}
    assert payload.rows_name is None
    np.testing.assert_array_equal(payload.rows, np.ones((3, 2)))


VECTOR = np.arange(3, dtype=np.float32)
TABLE = np.arange(6, dtype=np.float64).reshape(3, 2)


@pytest.mark.parametrize(
    "tensors",
    [{"x": TABLE}, {"z": TABLE}, {"log_prob": VECTOR}, {"log_abs_det_jacobian": VECTOR}, {"x": TABLE[:, ::-1]}],
    ids=lambda tensors: next(iter(tensors)),
)
def test_npy_is_the_file_that_numpy_saves(tensors: dict[str, np.ndarray]) -> None:
    (tensor,) = tensors.values()
    assert NPY.encode(Answer("m", 1, ("a", "b"), tensors)) == saved(np.ascontiguousarray(tensor))


def test_the_header_and_the_content_length_of_a_stream_do_not_need_the_rows() -> None:
    stream = NPY.stream_encoder(AnswerSchema(10**9, ("a", "b"), {"x": np.dtype(np.float32)}))
    assert stream.header() == npy.header((10**9, 2), np.dtype(np.float32))
    assert stream.content_length == len(stream.header()) + 8 * 10**9


def test_npy_holds_one_array_and_two_are_not_acceptable() -> None:
    with pytest.raises(NotAcceptable, match="one array, but the answer has x, log_prob"):
        NPY.encode(Answer("m", 1, ("a", "b"), {"x": TABLE, "log_prob": VECTOR}))
    with pytest.raises(NotAcceptable, match="one array, but the answer has x, z"):
        NPY.stream_encoder(AnswerSchema(3, ("a", "b"), {"x": TABLE.dtype, "z": TABLE.dtype}))
