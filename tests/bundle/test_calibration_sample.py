"""The calibration sample: its files give it back, and files that hold anything else are refused with the reason."""

import numpy as np
import pytest

from diffeo.bundle import calibration_sample, npy
from diffeo.bundle.calibration_sample import MOST_ROWS, CalibrationSample
from diffeo.bundle.errors import CalibrationInvalid
from diffeo.bundle.manifest import HELD_OUT_NAME, SAMPLES_NAME, FileName

RNG = np.random.default_rng(0)
SAMPLE = CalibrationSample.of(RNG.normal(size=50), RNG.normal(size=80), RNG.uniform(size=50))


def test_the_files_give_the_sample_back() -> None:
    again = calibration_sample.parse(SAMPLE.files())
    assert again is not None
    np.testing.assert_array_equal(again.held_out, SAMPLE.held_out)
    np.testing.assert_array_equal(again.weights, SAMPLE.weights)
    np.testing.assert_array_equal(again.samples, SAMPLE.samples)


def test_a_bundle_may_hold_none() -> None:
    assert calibration_sample.parse({}) is None


def test_each_weight_stays_with_its_row() -> None:
    log_prob = RNG.normal(size=30)
    sample = CalibrationSample.of(log_prob, log_prob, weights=np.exp(log_prob))
    np.testing.assert_allclose(sample.weights, np.exp(sample.held_out))


def test_more_rows_are_thinned_to_the_first() -> None:
    many = RNG.normal(size=MOST_ROWS + 5)
    sample = CalibrationSample.of(many, many)
    assert len(sample.held_out) == len(sample.weights) == len(sample.samples) == MOST_ROWS
    assert many[-1] not in sample.held_out


def test_a_row_of_density_zero_comes_first() -> None:
    sample = calibration_sample.parse(CalibrationSample.of(np.array([1.0, np.nan]), np.zeros(1)).files())
    assert sample is not None
    assert sample.held_out.tolist() == [-np.inf, 1.0]


def changed(row: int, column: int, value: float) -> bytes:
    table = npy.read(SAMPLE.files()[HELD_OUT_NAME]).copy()
    table[row, column] = value
    return npy.write(table)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (HELD_OUT_NAME, b"no npy", "header"),
        (HELD_OUT_NAME, npy.write(np.ones((3, 1))), "expected float64 (1 to 10000, 2)"),
        (HELD_OUT_NAME, npy.write(np.ones((0, 2))), "expected float64 (1 to 10000, 2)"),
        (HELD_OUT_NAME, npy.write(np.ones((MOST_ROWS + 1, 2))), "expected float64 (1 to 10000, 2)"),
        (HELD_OUT_NAME, npy.write(np.ones((3, 2), np.float32)), "expected float64 (1 to 10000, 2)"),
        (HELD_OUT_NAME, changed(0, 0, np.nan), "finite number or -inf"),
        (HELD_OUT_NAME, changed(49, 0, np.inf), "finite number or -inf"),
        (HELD_OUT_NAME, changed(5, 0, 9.0), "ascending"),
        (HELD_OUT_NAME, changed(5, 1, -0.1), "weights"),
        (HELD_OUT_NAME, changed(5, 1, np.inf), "weights"),
        (HELD_OUT_NAME, npy.write(np.zeros((3, 2))), "weights"),
        (SAMPLES_NAME, npy.write(np.ones((3, 2))), "expected float64 (1 to 10000, 1)"),
        (SAMPLES_NAME, npy.write(np.array([[2.0], [1.0]])), "ascending"),
    ],
)
def test_other_files_are_refused_with_their_name_and_the_reason(name: FileName, content: bytes, sentence: str) -> None:
    with pytest.raises(CalibrationInvalid, match=name.replace(".", r"\.")) as error:
        calibration_sample.parse({**SAMPLE.files(), name: content})
    assert sentence in str(error.value)
