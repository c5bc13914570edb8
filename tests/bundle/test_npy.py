"""The npy reader accepts tables of floats as NumPy writes them, and refuses everything else."""

import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from diffeo.bundle import npy

TABLES = st.sampled_from([np.float32, np.float64]).flatmap(
    lambda dtype: arrays(dtype, st.tuples(st.integers(0, 20), st.integers(1, 5)))
)


def saved(array: npt.NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@given(table=TABLES)
def test_a_table_that_numpy_saved_reads_back_bit_for_bit(table: npt.NDArray[np.floating]) -> None:
    back = npy.read(saved(table))
    assert back.dtype == table.dtype
    assert back.shape == table.shape
    assert back.tobytes() == table.tobytes()


@given(table=TABLES)
def test_numpy_loads_a_written_table(table: npt.NDArray[np.floating]) -> None:
    assert np.load(io.BytesIO(npy.write(table))).tobytes() == table.tobytes()


def with_header(description: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = description.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + body


def with_shape(shape: str, descr: str = "'<f4'", order: str = "False", data: bytes = b"\0" * 32) -> bytes:
    return with_header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", data)


REFUSED = {
    "nothing": b"",
    "not npy": b"PK\x03\x04" + b"\0" * 100,
    "a vector": saved(np.zeros(4, np.float32)),
    "a cube": saved(np.zeros((2, 2, 2), np.float32)),
    "integers": saved(np.zeros((2, 2), np.int64)),
    "big endian": saved(np.zeros((2, 2), ">f4")),
    "half precision": saved(np.zeros((2, 2), np.float16)),
    "Fortran order": saved(np.asfortranarray(np.zeros((2, 3), np.float32))),
    "cut": saved(np.zeros((2, 2), np.float32))[:-1],
    "too long": saved(np.zeros((2, 2), np.float32)) + b"\0",
    "objects": with_shape("(2, 2)", "'|O'"),
    "records": with_shape("(2, 2)", "[('a', '<f4')]"),
    "a huge shape": with_shape("(1125899906842624, 2)"),
    "a product that wraps": with_shape("(4611686018427387904, 4611686018427387904)"),
    "beyond 64 bits": with_shape("(18446744073709551616, 1)"),
    "no rows, and columns beyond 62 bits": with_shape("(0, 4611686018427387904)", data=b""),
    "no rows, and columns beyond 64 bits": with_shape("(0, 1180591620717411303424)", data=b""),
    "a negative shape": with_shape("(-1, 2)"),
    "a negative pair": with_shape("(-4, -2)"),
    "no columns": with_shape("(4, 0)"),
    "code for a header": with_header("__import__('os')"),
    "a deep header": with_header("(" * 110),
    "version 2": with_header("{}", version=b"\x02\x00"),
    "version 9": with_header("{}", version=b"\x09\x00"),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_other_files_are_refused_before_memory_is_allocated(content: bytes) -> None:
    with pytest.raises(npy.NpyInvalid):
        npy.read(content)


SIZES = st.integers(0, 3) | st.integers(0, 80).map(lambda bits: 2**bits)


@given(shape=st.tuples(st.just(0), SIZES) | st.lists(SIZES, max_size=60).map(tuple))
def test_an_accepted_shape_is_one_that_numpy_can_describe(shape: tuple[int, ...]) -> None:
    content = with_shape(str(shape).replace(" ", ""), data=b"")
    try:
        layout = npy.layout(content)
    except npy.NpyInvalid:
        return
    assert layout is not None
    if not layout.size:
        assert np.empty(0, layout.dtype).reshape(layout.shape).shape == shape
        if len(shape) == npy.AXES and shape[1]:
            assert npy.read(content).shape == shape
