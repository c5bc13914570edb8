"""The shape of a flow, and the file that holds a flow: safetensors, never pickle."""

import json
from dataclasses import dataclass
from typing import Self

from pydantic import JsonValue
from safetensors.torch import load, save
from torch import Tensor

from .conditioner import ConditionerShape
from .flow import Flow
from .registry import coupling_from_keys, describe_transform, parse_transform
from .standardise import Standardise
from .transform import TransformSpec


@dataclass(frozen=True, slots=True)
class Architecture:
    """Standardisation, then `layers` transforms of one kind; every second one is flipped.

    >>> import torch
    >>> from diffeo.training.flows.affine import AffineCouplingSpec
    >>> flow = Architecture(2, layers=3, hidden=8, depth=2, transform=AffineCouplingSpec()).build(
    ...     mean=torch.zeros(2), scale=torch.ones(2)
    ... )
    >>> len(flow.transforms)
    4

    Attributes:
        dimension: D, columns of x.
        layers: transforms after the standardisation; 0 leaves a Gaussian with a diagonal covariance.
        hidden: units in each hidden layer of each conditioner.
        depth: hidden layers of each conditioner.
        transform: the kind of the layers and its options.
    """

    dimension: int
    layers: int
    hidden: int
    depth: int
    transform: TransformSpec

    def build(self, mean: Tensor, scale: Tensor, sharpness: float = 1.0) -> Flow:
        """A fresh flow that computes the standardisation alone; `sharpness` only shapes the start of the fit."""
        shape = ConditionerShape(self.hidden, self.depth, sharpness)
        layers = [self.transform.build(self.dimension, shape, flipped=index % 2 == 1) for index in range(self.layers)]
        return Flow([Standardise(mean, scale), *layers])

    def to_json(self) -> str:
        """The text that the header of flow.safetensors holds."""
        values: dict[str, JsonValue] = {
            "dimension": self.dimension,
            "layers": self.layers,
            "hidden": self.hidden,
            "depth": self.depth,
            "transform": describe_transform(self.transform),
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
        named = values.get("transform")
        transform = coupling_from_keys(**values) if named is None else parse_transform(named)
        return cls(dimension, layers, hidden, depth, transform)


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
