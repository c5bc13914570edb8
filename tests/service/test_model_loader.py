"""A call of an engine has fewer rows than the settings allow if each row needs much memory."""

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

import pytest

from diffeo.bundle.read import read
from diffeo.service import model_loader
from diffeo.service.settings import Settings
from tests.given.flows import affine


@pytest.mark.parametrize(
    ("row_bytes", "rows"), [(0, 1024), (524, 1024), (2**19, 1024), (2**20, 512), (2**21, 256), (2**40, 1)]
)
def test_a_call_takes_at_most_512_mib(row_bytes: int, rows: int) -> None:
    assert model_loader.chunk_rows(1024, row_bytes) == rows


def test_a_model_whose_rows_are_large_gets_small_chunks() -> None:
    bundle = replace(read(affine.PATH), row_bytes=2**26)
    with ThreadPoolExecutor(1) as threads:
        executor: Executor = threads
        model = model_loader.load(bundle, "affine2d", 1, Settings(), executor)
    assert (model.forward.options.chunk_rows, model.inverse.options.chunk_rows) == (8, 8)
