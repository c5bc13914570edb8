"""The subject of a certificate: two exported graphs, the flow that they should compute, and rows to compare them on."""

import copy
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch

from diffeo.bundle.golden import Golden
from diffeo.bundle.manifest import MAIN_FILES, Dtype, FileName, Trio

from ..flows.flow import Flow
from ..graph_session import Graph
from .measurement import Array

# rows y [n, D] -> rows [m, D] of the golden vectors, m <= n.
Snap = Callable[[Array], Array]

SAMPLE_SEED: Final = 20_170_227
SAMPLE_ROWS: Final = 10_000
# Of data and of samples: more than the format asks for, and few enough to compute at each start of a service.
GOLDEN_ROWS: Final = 128


class Subject:
    """A pair of graphs, the flow in float64, and the rows: data, and samples that the inverse graph draws.

    Args:
        flow: the flow that was exported, in the types of its weights.
        files: the files of a bundle; the two graphs are among them.
        rows: data [rows, D], as the graphs take them.
        precision: the type of the products that the graphs compute.
        row_type: the type of the rows between two transforms; None for the precision.
        trio: the names of the two graphs and of their golden vectors.
        snap: moves rows to the ones that a request can carry, where columns have atoms or whole numbers; None if
            a request can carry every row.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (the graphs, the flow and the rows)
        self,
        flow: Flow,
        files: Mapping[FileName, bytes],
        rows: Array,
        precision: Dtype = "float32",
        row_type: Dtype | None = None,
        trio: Trio = MAIN_FILES,
        snap: Snap | None = None,
    ) -> None:
        self.files = files
        self.snap = snap
        self.precision = precision
        self.row_type = row_type or precision
        self.flow = copy.deepcopy(flow).cpu().double().requires_grad_(requires_grad=False)
        self.forward = Graph(files[trio.forward])
        self.inverse = Graph(files[trio.inverse])
        self.dimension = rows.shape[1]
        self.base = flow.base.distribution(self.dimension)
        self.z = self.base.draw(SAMPLE_SEED, 0, SAMPLE_ROWS).astype(np.float64)
        samples = self.inverse.run(self.z)["x"].astype(np.float64)
        self.data = rows
        self.x = np.concatenate([rows, samples])
        # A broken graph may send samples anywhere, so the scale comes from the data alone.
        self.scale = np.maximum(rows.std(axis=0), np.finfo(np.float32).tiny)

    def answers(self, x: Array) -> tuple[Array, Array, Array]:
        """x [rows, D] -> z, log|det dz/dx| and log p(x) of the flow in float64."""
        z, ladj = self.flow.forward(torch.from_numpy(x))
        return z.numpy(), ladj.numpy(), (self.flow.base.log_prob(z) + ladj).numpy()

    def golden(self) -> Golden:
        """Golden vectors of the flow in float64, for rows that the input type holds exactly: data and samples."""
        wire = np.float64 if self.forward.takes_float64 else np.float32
        samples = self.x[len(self.data) :][:GOLDEN_ROWS]
        rows = np.concatenate([self.data[:GOLDEN_ROWS], samples])
        x = (rows if self.snap is None else self.snap(rows)).astype(wire).astype(np.float64)
        z, ladj, log_prob = self.answers(x)
        return Golden(x, z, ladj, log_prob, self.base)
