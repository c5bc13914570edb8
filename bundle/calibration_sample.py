"""The calibration sample: log_prob of held-out rows and of samples of the model, from which p-values are computed.

`held_out_log_prob.npy` is one float64 array [m, 2]: log_prob in nats, ascending, and the weight of the row.
`sample_log_prob.npy` is one float64 array [s, 1]: log_prob in nats, ascending.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from . import npy
from .errors import CalibrationInvalid
from .manifest import HELD_OUT_NAME, SAMPLES_NAME, FileName

Array = npt.NDArray[np.float64]

MOST_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class CalibrationSample:
    """log_prob of rows that the fit did not see, and of rows that the model drew.

    Attributes:
        held_out: log_prob of held-out rows [m], nats, ascending; -inf for a row of density zero.
        weights: of these rows [m]; 1 for each where the fit had no weights.
        samples: log_prob of samples [s], nats, ascending.
    """

    held_out: Array
    weights: Array
    samples: Array

    @classmethod
    def of(cls, held_out: Array, samples: Array, weights: Array | None = None) -> Self:
        """The calibration sample of the first 10,000 rows of each; they come in random order.

        Args:
            held_out: log_prob of held-out rows [rows]; NaN for a row of density zero.
            samples: log_prob of samples [rows].
            weights: of the held-out rows [rows]; None for equal weights.

        >>> sample = CalibrationSample.of(np.array([2.0, np.nan, 1.0]), np.array([4.0, 3.0]))
        >>> sample.held_out.tolist(), sample.weights.tolist(), sample.samples.tolist()
        ([-inf, 1.0, 2.0], [1.0, 1.0, 1.0], [3.0, 4.0])
        """
        kept = held_out[:MOST_ROWS]
        numbers = np.where(np.isnan(kept), -np.inf, kept)
        order = np.argsort(numbers, kind="stable")
        own = np.ones(len(numbers)) if weights is None else weights[:MOST_ROWS].astype(np.float64)
        drawn = samples[np.isfinite(samples)][:MOST_ROWS]
        return cls(numbers[order], own[order], np.sort(drawn))

    def files(self) -> dict[FileName, bytes]:
        """The two files of a bundle."""
        return {
            HELD_OUT_NAME: npy.write(np.stack([self.held_out, self.weights], axis=1)),
            SAMPLES_NAME: npy.write(self.samples[:, None]),
        }


def parse(files: Mapping[FileName, bytes]) -> CalibrationSample | None:
    """The calibration sample in the files of a bundle; None if they hold none.

    Raises:
        CalibrationInvalid: wrong type, shape or order, or a number that is no log_prob or no weight.
    """
    if HELD_OUT_NAME not in files:
        return None
    held_out = _table(HELD_OUT_NAME, files[HELD_OUT_NAME], columns=2)
    samples = _table(SAMPLES_NAME, files[SAMPLES_NAME], columns=1)
    weights = held_out[:, 1]
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise CalibrationInvalid(f"{HELD_OUT_NAME}: weights are finite numbers of 0 or more, and one is above 0")
    return CalibrationSample(held_out[:, 0], weights, samples[:, 0])


def _table(name: FileName, content: bytes, columns: int) -> Array:
    try:
        table = npy.read(content)
    except npy.NpyInvalid as error:
        raise CalibrationInvalid(f"{name}: {error}") from error
    if table.dtype != np.float64 or table.shape[1] != columns or not 1 <= len(table) <= MOST_ROWS:
        expected = f"float64 (1 to {MOST_ROWS}, {columns})"
        raise CalibrationInvalid(f"{name} holds {table.dtype} {table.shape}; expected {expected}")
    log_prob = table[:, 0]
    if np.isnan(log_prob).any() or (log_prob == np.inf).any():
        raise CalibrationInvalid(f"{name}: a log_prob is a finite number or -inf")
    if (log_prob[1:] < log_prob[:-1]).any():
        raise CalibrationInvalid(f"{name}: log_prob is in ascending order")
    return table.astype(np.float64)
