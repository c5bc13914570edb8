"""Engines with a column map compute the density of rows in the user's units, on affine2d, whose density is known."""

import numpy as np
import pytest

from diffeo.bundle import base
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.bundle.read import read
from diffeo.runtime.engines import ENGINES
from diffeo.runtime.engines.engine import Engine
from diffeo.runtime.engines.mapped import map_columns
from diffeo.runtime.engines.options import EngineOptions
from tests.given.flows import affine
from tests.given.flows.kinds import column_map, log_prob

GRAPHS = read(affine.PATH).files
Z = base.draw(11, 0, 500, 2)
# Kinds of the two columns. y has the means 1 and -2 and the scales 2 and 4.
PAIRS = {
    "continuous": ("above", "between"),
    "plain beside tails": (None, "tails"),
    "huge beside tiny": ("huge", "tiny"),
    "whole beside plain": ("dice", None),
    "whole beside atoms": ("count", "zero-inflated"),
    "atoms beside atoms": ("three atoms", "atom tails"),
}
SNAPPED = [name for name in PAIRS if name.startswith(("whole", "atoms"))]
CONTINUOUS = [name for name in PAIRS if name not in SNAPPED]


def engines(pair: str, kind: str = "onnx") -> tuple[Engine, Engine]:
    return map_columns(ENGINES[kind](GRAPHS, EngineOptions()), column_map(*PAIRS[pair]), "float32")


@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
@pytest.mark.parametrize("pair", PAIRS)
def test_log_prob_is_that_of_y_and_the_terms_of_the_map(pair: str, kind: str) -> None:
    forward, inverse = engines(pair, kind)
    x = inverse.run({"z": Z})["x"]
    assert x.dtype == np.float64
    answer = forward.run({"x": x})
    expected = log_prob(column_map(*PAIRS[pair]), x.astype(np.float64))
    np.testing.assert_allclose(answer["log_prob"], expected, rtol=1e-4, atol=1e-4)
    terms = base.log_prob(answer["z"]) + answer[LOG_ABS_DET_JACOBIAN]
    np.testing.assert_allclose(answer["log_prob"], terms, rtol=1e-5, atol=1e-5)
    assert {name: values.dtype for name, values in answer.items()} == dict.fromkeys(answer, np.dtype(np.float32))


@pytest.mark.parametrize("pair", SNAPPED)
def test_a_snapped_row_has_the_numbers_of_forward_bit_for_bit(pair: str) -> None:
    forward, inverse = engines(pair)
    drawn = inverse.run({"z": Z})
    # Alone and in another order too.
    for rows in (slice(None), slice(7, 8), slice(None, None, -1)):
        answer = forward.run({"x": drawn["x"][rows]})
        assert answer["log_prob"].tobytes() == drawn["log_prob"][rows].tobytes()
        assert (-answer[LOG_ABS_DET_JACOBIAN]).tobytes() == drawn[LOG_ABS_DET_JACOBIAN][rows].tobytes()
        assert answer["z"].tobytes() == np.ascontiguousarray(drawn["z"][rows]).tobytes()
    again = inverse.run({"z": drawn["z"]})
    assert again["x"].tobytes() == drawn["x"].tobytes()


@pytest.mark.parametrize("pair", CONTINUOUS)
def test_a_continuous_row_has_the_numbers_of_forward_and_comes_back(pair: str) -> None:
    forward, inverse = engines(pair)
    drawn = inverse.run({"z": Z})
    assert set(drawn) == {"x", LOG_ABS_DET_JACOBIAN, "log_prob"}
    answer = forward.run({"x": drawn["x"]})
    np.testing.assert_allclose(answer["log_prob"], drawn["log_prob"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(answer[LOG_ABS_DET_JACOBIAN], -drawn[LOG_ABS_DET_JACOBIAN], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(answer["z"], Z, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_row_of_density_zero_is_nan_and_changes_no_other_row(pair: str) -> None:
    forward, inverse = engines(pair)
    x = inverse.run({"z": Z[:4]})["x"]
    expected = forward.run({"x": x})
    rows = x.copy()
    rows[2] = np.nan
    answer = forward.run({"x": rows})
    for name, values in answer.items():
        assert np.isnan(values[2]).all()
        assert np.delete(values, 2, axis=0).tobytes() == np.delete(expected[name], 2, axis=0).tobytes()


@pytest.mark.parametrize("pair", PAIRS)
def test_z_far_outside_has_rows_or_nothing_and_never_a_warning(pair: str) -> None:
    forward, inverse = engines(pair)
    z = np.array([[1e38, -1e38], [-300, 300], [3e38, 3e38]], np.float32)
    drawn = inverse.run({"z": z})
    rows = np.nan_to_num(drawn["x"], posinf=1e308, neginf=-1e308)
    assert {values.shape[0] for values in forward.run({"x": rows}).values()} == {3}


def test_without_a_map_the_engines_are_those_of_the_graphs() -> None:
    graphs = ENGINES["onnx"](GRAPHS, EngineOptions())
    assert map_columns(graphs, None, "float32") is graphs
