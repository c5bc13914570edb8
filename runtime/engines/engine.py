"""The interface of an engine: tensors in, tensors out. Several threads may call one engine at the same time."""

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

        Args:
            tensors: the input by name, x or z [rows, D].

        Returns:
            The outputs by name: z or x [rows, D], log_abs_det_jacobian and log_prob [rows].

        Raises:
            EngineFailed: the runtime reported an error.
        """
        ...
