"""The seam to a runtime: one verb, no state that a caller could see, safe to call from several threads."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from diffeo.bundle.manifest import FileName

Tensors = Mapping[str, npt.NDArray[np.floating]]
Graphs = Mapping[FileName, bytes]


class Engine(Protocol):
    """One loaded graph."""

    def run(self, tensors: Tensors) -> Tensors:
        """Compute the graph.

        Raises:
            EngineFailed: the runtime gave up.
        """
        ...
