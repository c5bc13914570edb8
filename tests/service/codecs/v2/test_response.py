"""v2 responses: bytes are exact, JSON numbers are flat and never NaN, and the JSON gives the size of each output."""

import json
import math

import numpy as np
import pytest

from diffeo.service.answer import Tensor
from diffeo.service.codecs.v2.request import RequestedOutput
from diffeo.service.codecs.v2.response import encode

Z = np.array([[1, 2], [math.nan, math.nan], [-0.1, math.inf]], np.float32)
TENSORS: dict[str, Tensor] = {"z": Z, "y": np.array([0.1, math.nan, 3], np.float64)}
FIELDS = {"model_name": "m", "model_version": "1"}


def test_json_numbers_are_a_flat_list_with_null_for_values_that_are_not_finite() -> None:
    content, json_size = encode(
        FIELDS, [RequestedOutput("y", binary=False), RequestedOutput("z", binary=False)], TENSORS
    )
    assert json_size is None
    assert content.decode() == (
        '{"model_name":"m","model_version":"1","outputs":['
        '{"name":"y","datatype":"FP64","shape":[3],"data":[0.1,null,3.0]},'
        '{"name":"z","datatype":"FP32","shape":[3,2],"data":[1.0,2.0,null,null,-0.1,null]}]}'
    )


def test_bytes_follow_the_json_in_the_order_of_the_outputs() -> None:
    requested = [RequestedOutput("y", binary=True), RequestedOutput("z", binary=True)]
    content, json_size = encode(FIELDS, requested, TENSORS)
    head = json.loads(content[:json_size])
    assert [output["parameters"] for output in head["outputs"]] == [{"binary_data_size": 24}, {"binary_data_size": 24}]
    assert not any("data" in output for output in head["outputs"])
    assert content[json_size:] == TENSORS["y"].tobytes() + Z.tobytes()


def test_an_output_in_json_has_no_parameters_and_an_output_in_bytes_has_no_data() -> None:
    content, json_size = encode(
        FIELDS, [RequestedOutput("z", binary=True), RequestedOutput("y", binary=False)], TENSORS
    )
    first, second = json.loads(content[:json_size])["outputs"]
    assert set(first) == {"name", "datatype", "shape", "parameters"}
    assert set(second) == {"name", "datatype", "shape", "data"}
    assert content[json_size:] == Z.tobytes()


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("tensor", [Z[:0], Z[::-1], Z[:, 0], Z.T], ids=["no rows", "backwards", "a column", "turned"])
def test_any_memory_layout_is_sent_row_after_row(tensor: np.ndarray, *, binary: bool) -> None:
    content, json_size = encode(FIELDS, [RequestedOutput("t", binary=binary)], {"t": tensor})
    (output,) = json.loads(content[:json_size])["outputs"]
    assert output["shape"] == list(tensor.shape)
    if binary:
        assert content[json_size:] == tensor.tobytes()
    else:
        values = [None if math.isnan(value) or math.isinf(value) else value for value in tensor.reshape(-1).tolist()]
        assert [None if value is None else np.float32(value) for value in output["data"]] == values
