"""`WholeModel`: certified graphs with the map of the columns around them, as a service computes them."""

import numpy as np
import numpy.typing as npt

from diffeo.bundle.manifest import Dtype
from diffeo.runtime.column_map import ColumnMap
from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.engines.mapped import map_columns

from ..certification.subject import Subject
from ..graph_session import Graph

Array = npt.NDArray[np.float64]


class WholeModel:
    """A model that takes and gives rows in the user's units.

    Args:
        subject: its certified graphs.
        column_map: x to the input y of the graphs; None if every column is plain.
    """

    def __init__(self, subject: Subject, column_map: ColumnMap | None) -> None:
        self._subject = subject
        self.dimension: int = subject.dimension
        dtype: Dtype = "float64" if subject.forward.takes_float64 else "float32"
        engines = _GraphEngine(subject.forward, "x"), _GraphEngine(subject.inverse, "z")
        self._forward, self._inverse = map_columns(engines, column_map, dtype)

    def log_prob(self, x: Array) -> Array:
        """Log density of rows x [n, D], nats; NaN for a row of density zero."""
        return self._forward.run({"x": x})["log_prob"].astype(np.float64)

    def latent_of_inputs(self, y: Array) -> Array:
        """z of rows as the graphs take them [n, D]."""
        return self._subject.forward.run(y)["z"].astype(np.float64)

    def normal_scores_of_inputs(self, y: Array) -> Array:
        """z of rows as independent standard normals, if the rows follow the model [n, D]."""
        return self._subject.base.normal_scores(self.latent_of_inputs(y))

    def draw_latent(self, count: int, seed: int) -> Array:
        """Rows z [count, D] of the base."""
        return self._subject.base.draw(seed, 0, count).astype(np.float64)

    def inputs_log_prob(self, y: Array) -> Array:
        """Log density of rows y [n, D] under the graphs, nats."""
        return self._subject.forward.run(y)["log_prob"].astype(np.float64)

    def sample(self, count: int, seed: int) -> Array:
        """Rows x [count, D] of the sample of this seed, as a service draws them."""
        return self._inverse.run({"z": self.draw_latent(count, seed)})["x"].astype(np.float64)


class _GraphEngine:
    """A graph as an engine; `source` is the name of its input."""

    def __init__(self, graph: Graph, source: str) -> None:
        self._graph = graph
        self._source = source

    def run(self, tensors: Tensors) -> Tensors:
        return self._graph.run(tensors[self._source])
