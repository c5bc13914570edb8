"""The outputs of a flow by name, and the range of each parameter of a request.

The service and the local model check requests with these functions, so both refuse a value with the same sentence.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from .errors import listed

LOG_ABS_DET_JACOBIAN: Final = "log_abs_det_jacobian"
SAMPLE_OUTPUTS: Final = ("x", "log_prob", "z")
MAX_TEMPERATURE: Final = 10.0
NUM_SAMPLES_LIMIT: Final = 2**53


class InvalidParameter(ValueError):
    """A parameter is missing, has the wrong type or is out of range.

    Attributes:
        pointer: RFC 6901 JSON pointer to the value in the request.
    """

    def __init__(self, pointer: str, sentence: str) -> None:
        super().__init__(sentence)
        self.pointer = pointer


def whole_number(value: object, name: str, low: int, high: int) -> int:
    """The value, if it is an integer in [low, high).

    Raises:
        InvalidParameter: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value < high:
        raise InvalidParameter(f"/{name}", f"{name} must be a whole number from {low} to {high - 1}")
    return value


def temperature(value: object) -> float:
    """The value, if it is a number in (0, MAX_TEMPERATURE].

    Raises:
        InvalidParameter: it is not.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= MAX_TEMPERATURE:
        sentence = f"temperature must be a number above 0, at most {MAX_TEMPERATURE:g}"
        raise InvalidParameter("/temperature", sentence)
    return float(value)


def outputs(value: object, known: tuple[str, ...]) -> tuple[str, ...]:
    """The wanted outputs in the order of `known`, if `value` is a list of one or more of them.

    Raises:
        InvalidParameter: it is not.
    """
    if not isinstance(value, list) or not value or any(output not in known for output in value):
        raise InvalidParameter("/return", f"return must list one or more of {', '.join(known)}")
    return tuple(output for output in known if output in value)


def check_width(rows: npt.NDArray[np.floating], name: str, columns: Sequence[str]) -> None:
    """Check that the rows [rows, D] of `name` have one number for each column of x; an empty table has any width.

    Raises:
        InvalidParameter: they have more or fewer.
    """
    if len(rows) and rows.shape[1] != len(columns):
        takes = f"this model takes {len(columns)}: {listed(columns)}"
        raise InvalidParameter(f"/{name}/0", f"rows of {name} have {rows.shape[1]} numbers; {takes}")
