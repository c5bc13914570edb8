"""The shape of a flow, and the file that holds a flow: safetensors, never pickle."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Self

from pydantic import JsonValue
from safetensors.torch import load, save
from torch import Tensor

from .base.gaussian_mixture import GaussianMixture
from .conditioner import ConditionerShape
from .flow import Flow
from .linear import Linear
from .permutation import Permutation
from .registry import coupling_from_keys, describe_transform, parse_transform
from .splines.marginal import MarginalSpline
from .standardise import Standardise
from .tails import Tails
from .transform import Transform, TransformSpec

LinearPlaces = Literal["none", "first", "between", "full"]
# Rows that start a flow. More would move its quantiles and covariances by less than the fit does.
START_ROWS: Final = 200_000
PARTS: Final = ("tails", "marginals", "linear", "permuted", "components", "residual", "dropout", "noise")


@dataclass(frozen=True, slots=True)
class Architecture:
    """Standardisation, tails, a spline for each column, a linear map, then `layers` couplings over a base density.

    Every second coupling is flipped.

    >>> import torch
    >>> from diffeo.training.flows.affine import AffineCouplingSpec
    >>> architecture = Architecture(2, layers=3, hidden=8, depth=2, transform=AffineCouplingSpec(), linear="first")
    >>> flow = architecture.build(mean=torch.zeros(2), scale=torch.ones(2))
    >>> [type(transform).__name__ for transform in flow.transforms]
    ['Standardise', 'Linear', 'Coupling', 'Coupling', 'Coupling']

    Attributes:
        dimension: D, columns of x. A flow of one column has no couplings.
        layers: couplings; 0 leaves a Gaussian of the columns, or of the splines of the columns.
        hidden: units in each hidden layer of each conditioner.
        depth: hidden layers of each conditioner, or its residual blocks.
        transform: the kind of the couplings and its options.
        marginals: pieces of the spline of each column; 0 for no splines.
        linear: no linear map, one before the first coupling, or one before every coupling; with "full", those between
            couplings can rotate.
        permuted: before every second coupling but the first, the columns are permuted, so that the halves change.
        components: Gaussians of the base; 0 for the standard normal.
        residual: conditioners have residual blocks.
        dropout: of the residual blocks in a fit, 0 to 1.
        tails: before all others, a logarithm compresses the tails of each column.
        noise: of the inputs of the conditioners in a fit, standard deviations.
    """

    dimension: int
    layers: int
    hidden: int
    depth: int
    transform: TransformSpec
    marginals: int = 0
    linear: LinearPlaces = "none"
    permuted: bool = False
    components: int = 0
    residual: bool = False
    dropout: float = 0.0
    tails: bool = False
    noise: float = 0.0

    def build(self, mean: Tensor, scale: Tensor, sharpness: float = 1.0, rows: Tensor | None = None) -> Flow:
        """A fresh flow. Without rows it computes the standardisation alone.

        Args:
            mean: of each column [D], in the type of x on the wire.
            scale: of each column [D], likewise.
            sharpness: shapes the start of the conditioners.
            rows: training rows [n, D] in the user's units. The splines start at the quantiles of their columns, and the
                first linear map whitens the rows that reach it. So without couplings and splines the flow is the
                Gaussian with the mean and the covariance of the rows.
        """
        standardise = Standardise(mean, scale)
        transforms = [standardise, *self._front(_standardised(rows, standardise)), *self._couplings(sharpness)]
        return Flow(transforms, GaussianMixture(self.dimension, self.components) if self.components else None)

    def _front(self, x: Tensor | None) -> list[Transform]:
        """The transforms between the standardisation and the couplings; x are the rows that start them."""
        front: list[Transform] = []
        if self.tails:
            tails = Tails.fresh(self.dimension) if x is None else Tails.fitted(x)
            x = None if x is None else tails.forward(x)[0].detach()
            front.append(tails)
        if self.marginals:
            spline = _spline(self.dimension, self.marginals, x)
            x = None if x is None else spline.forward(x)[0].detach()
            front.append(spline)
        if self.linear != "none":
            front.append(Linear(self.dimension) if x is None else Linear.fitted(x))
        return [transform.float() for transform in front]

    def _couplings(self, sharpness: float) -> Iterator[Transform]:
        shape = ConditionerShape(self.hidden, self.depth, sharpness, self.residual, self.dropout, self.noise)
        # A coupling maps one half of the columns with parameters that depend on the other half.
        for index in range(self.layers if self.dimension > 1 else 0):
            if self.permuted and index > 0 and index % 2 == 0:
                yield Permutation(self.dimension)
            if self.linear in {"between", "full"} and index > 0:
                yield Linear(self.dimension, full=self.linear == "full")
            yield self.transform.build(self.dimension, shape, flipped=index % 2 == 1)

    def __str__(self) -> str:
        """The shape in words, for the terminal and the report.

        >>> from diffeo.training.flows.splines.coupling import SplineCouplingSpec
        >>> str(Architecture(4, 6, 96, 2, SplineCouplingSpec(), marginals=32, components=16))
        '6 spline couplings (32 pieces a column) over a mixture of 16 Gaussians'
        """
        kind = str(describe_transform(self.transform)["name"]).removesuffix("_coupling")
        couplings = f"{self.layers} {kind} couplings" if self.layers and self.dimension > 1 else "no couplings"
        pieces = f" ({self.marginals} pieces a column)" if self.marginals else ""
        base = f" over a mixture of {self.components} Gaussians" if self.components else ""
        return couplings + pieces + base

    def to_json(self) -> str:
        """The text that the header of flow.safetensors holds; parts that are left out are not named in it."""
        parts: dict[str, JsonValue] = {
            "tails": self.tails,
            "marginals": self.marginals,
            "linear": self.linear,
            "permuted": self.permuted,
            "components": self.components,
            "residual": self.residual,
            "dropout": self.dropout,
            "noise": self.noise,
        }
        values: dict[str, JsonValue] = {
            "dimension": self.dimension,
            "layers": self.layers,
            "hidden": self.hidden,
            "depth": self.depth,
            "transform": describe_transform(self.transform),
            **{name: value for name, value in parts.items() if value not in {0, "none"}},
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the text of a header; older files hold `limit`, `block` and `det` in place of `transform`.

        Raises:
            BadTransform: the header names a transform that is not in the registry, or wrong options.
        """
        values = json.loads(text)
        dimension, layers, hidden, depth = (values.pop(key) for key in ("dimension", "layers", "hidden", "depth"))
        parts = {key: values.pop(key) for key in PARTS if key in values}
        named = values.get("transform")
        transform = coupling_from_keys(**values) if named is None else parse_transform(named)
        return cls(dimension, layers, hidden, depth, transform, **parts)


def flow_to_bytes(flow: Flow, architecture: Architecture) -> bytes:
    """The content of flow.safetensors: the weights, with the architecture in the header."""
    state = {name: value.detach().cpu().contiguous() for name, value in flow.state_dict().items()}
    return save(state, metadata={"architecture": architecture.to_json()})


def flow_from_bytes(content: bytes) -> Flow:
    """The flow in the bytes of a flow.safetensors, every number in the type in which it was stored."""
    # The format: 8 bytes of length, little-endian, then that many bytes of JSON.
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    architecture = Architecture.from_json(header["__metadata__"]["architecture"])
    state = load(content)
    flow = architecture.build(state["transforms.0.mean"], state["transforms.0.scale"])
    flow.load_state_dict(state)
    return flow


def _standardised(rows: Tensor | None, standardise: Standardise) -> Tensor | None:
    """At most START_ROWS of the rows [n, D], evenly spaced, standardised in float64."""
    if rows is None:
        return None
    few = rows[:: -(-len(rows) // START_ROWS)]
    return copy.deepcopy(standardise).double().forward(few.double())[0]


def _spline(dimension: int, bins: int, x: Tensor | None) -> MarginalSpline:
    return MarginalSpline(dimension, bins) if x is None else MarginalSpline.fitted(x, bins)
