"""What every wire format does alike: it reads back the bits that it wrote."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.answer import Answer
from service.codecs import CODECS
from service.codecs.codec import Codec


def tables(dtype: type[np.floating]) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 6), st.integers(1, 4))
    width = np.dtype(dtype).itemsize * 8
    return arrays.arrays(dtype, shapes, elements=st.floats(width=width, allow_nan=False, allow_infinity=False))


@given(tables(np.float32) | tables(np.float64))
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_every_format_reads_back_the_bits_that_it_wrote(codec: Codec, table: np.ndarray) -> None:
    written = codec.encode(Answer("m", 1, {"x": table}))
    rows = codec.decode(written, {}).rows
    assert rows.astype(table.dtype).tobytes() == table.tobytes()


def test_formats_are_told_apart_by_name_and_by_media_type() -> None:
    assert len({codec.name for codec in CODECS}) == len({codec.media_type for codec in CODECS}) == len(CODECS)
