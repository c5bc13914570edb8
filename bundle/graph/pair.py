"""Compares the weights of the two graphs, bit by bit, where both hold a weight under one name of our exporter.

A changed weight of one graph may have an effect only on rows so rare that no draw meets them; here it is noticed
exactly. Graphs of other exporters use other names, and pass.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import GraphsDisagree
from ..manifest import MAIN_FILES, FileName
from .content import weights

Array = npt.NDArray[np.floating]

# The exporter wraps the flow in a module with this attribute. Other names may be made up for each graph.
PREFIX: Final = "flow."


def check_weights(files: Mapping[FileName, bytes]) -> None:
    """Check the weights of the main graphs, whose content is checked already.

    Raises:
        GraphsDisagree: a weight is another one in the other graph.
    """
    names = MAIN_FILES.forward, MAIN_FILES.inverse
    forward, inverse = (weights(name, files[name]) for name in names)
    for name, weight in forward.items():
        other = inverse.get(name)
        if name.startswith(PREFIX) and other is not None and other.shape == weight.shape and not _same(weight, other):
            raise GraphsDisagree(f"{' and '.join(names)} hold different numbers as {ascii(name)[:64]}")


def _same(weight: Array, other: Array) -> bool:
    # A graph that takes x in float64 holds the weights in float64, and the other one holds them in float32.
    with np.errstate(over="ignore", invalid="ignore"):
        return weight.astype(np.float32).tobytes() == other.astype(np.float32).tobytes()
