"""A long answer is written in blocks and has the same bytes as one that is written at once."""

import json

import numpy as np
import pytest

from diffeo.service.answer import Answer, InvalidRow
from diffeo.service.codecs import json as json_codec
from diffeo.service.codecs.csv import Csv
from diffeo.service.codecs.json import Json
from diffeo.service.codecs.ndjson import Ndjson
from diffeo.service.codecs.parsing import number_text
from diffeo.service.codecs.v2 import response
from diffeo.service.codecs.v2.request import RequestedOutput

ROWS = 50
X = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
INVALID = (0, 7, 8, 49)


def answer(*, invalid: bool) -> Answer:
    x = X.copy()
    x[list(INVALID) if invalid else []] = np.nan
    rows = tuple(InvalidRow(row, "non_finite_output") for row in INVALID) if invalid else ()
    return Answer("m", 2, ("a", "b", "c"), {"x": x, "log_prob": x[:, 0].copy()}, {"seed": 7}, rows)


@pytest.mark.parametrize("block", [1, 4, 9, 1000])
@pytest.mark.parametrize("invalid", [False, True], ids=["all valid", "some invalid"])
def test_blocks_make_the_same_text(block: int, invalid: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    given = answer(invalid=invalid)
    requested = [RequestedOutput("x", binary=False), RequestedOutput("log_prob", binary=invalid)]

    def written() -> tuple[object, ...]:
        v2 = response.encode({"id": "7"}, requested, given.tensors)
        return Json().encode(given), Csv().encode(given), Ndjson().encode(given), v2

    at_once = written()
    monkeypatch.setattr(number_text, "BLOCK_VALUES", block)
    monkeypatch.setattr(json_codec, "BLOCK_VALUES", 0)
    monkeypatch.setattr(json_codec, "BLOCK_ROWS", block)
    monkeypatch.setattr(response, "BLOCK_VALUES", 0)
    assert written() == at_once
    assert json.loads(Json().encode(given))["model"] == "m"
