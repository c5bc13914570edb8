"""The signature of a v2 model: its input and output tensors, each with a name, datatypes and a shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Array = Floats | npt.NDArray[np.int64]

# The datatypes that a flow takes or returns; the protocol has more.
DTYPES: Final[Mapping[str, np.dtype[np.floating] | np.dtype[np.int64]]] = {
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "INT64": np.dtype("<i8"),
}
ANY_SIZE: Final = -1


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a signature.

    Attributes:
        name: its name in requests and responses.
        datatypes: the accepted datatypes; the first is the one that metadata and responses use.
        shape: its sizes; ANY_SIZE where every size is accepted.
        required: False if a request may leave it out.
    """

    name: str
    datatypes: tuple[str, ...]
    shape: tuple[int, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """All inputs and outputs of a v2 model, in the order in which metadata lists them."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def is_floating(values: Array) -> TypeGuard[Floats]:
    """True for float32 and float64."""
    return values.dtype.kind == "f"
