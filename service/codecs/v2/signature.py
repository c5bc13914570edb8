"""What a v2 model takes and gives: tensors by name, each with its datatypes and its shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.floating]
Array = Real | npt.NDArray[np.int64]

# Those that a flow takes or gives; the protocol has more.
TYPES: Final[Mapping[str, np.dtype[np.floating] | np.dtype[np.int64]]] = {
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "INT64": np.dtype("<i8"),
}
ANY: Final = -1


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a signature.

    Attributes:
        name: what requests and answers call it.
        datatypes: those it may come in; the first is its own, which metadata name and answers have.
        shape: its sizes; ANY where every size will do.
        required: a request without it is refused.
    """

    name: str
    datatypes: tuple[str, ...]
    shape: tuple[int, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """All inputs and outputs of a v2 model, in the order in which they are shown."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def is_real(values: Array) -> TypeGuard[Real]:
    """True for floats, of either size."""
    return values.dtype.kind == "f"
