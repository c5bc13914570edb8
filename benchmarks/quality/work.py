"""`Work`: the rows, the clock and the seed that a model is fitted with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffeo.training.split import Split

Rows = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Work:
    """The rows, the clock and the seed of a fit.

    Attributes:
        split: of the table, in the user's units.
        train: standardised training rows [n, D].
        validation: standardised validation rows.
        seconds: the clock.
        seed: of the split and the weights.
    """

    split: Split
    train: Rows
    validation: Rows
    seconds: float
    seed: int
