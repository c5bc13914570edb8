"""The few numbers that name a flow's shape, and the file that holds a flow: safetensors, never pickle."""

import json
from dataclasses import asdict, dataclass

from safetensors.torch import load, save
from torch import Tensor

from .conditioner import ConditionerShape
from .coupling import AffineCoupling, Coupling
from .flow import Flow
from .matrix import BlockTriangular
from .standardise import Standardise
from .triangular_coupling import TriangularCoupling


@dataclass(frozen=True, slots=True)
class Architecture:
    """Standardisation, then `layers` couplings with alternating halves.

    Attributes:
        dimension: D, columns of x.
        layers: couplings; 0 leaves a Gaussian with a diagonal covariance.
        hidden: units per hidden layer of each conditioner.
        depth: hidden layers of each conditioner.
        limit: bound of |s| in each coupling.
        block: 0 copies the half that passes through; else it is mapped by A with diagonal blocks of this size.
        det: |det A| of each coupling is held at this value; None leaves it free.
    """

    dimension: int
    layers: int
    hidden: int
    depth: int
    limit: float
    block: int = 0
    det: float | None = None

    def build(self, mean: Tensor, scale: Tensor, sharpness: float = 1.0) -> Flow:
        """A fresh flow that starts as the standardisation alone; `sharpness` shapes the start only."""
        shape = ConditionerShape(self.hidden, self.depth, sharpness)
        couplings = [self._coupling(shape, flipped=layer % 2 == 1) for layer in range(self.layers)]
        return Flow([Standardise(mean, scale), *couplings])

    def _coupling(self, shape: ConditionerShape, *, flipped: bool) -> Coupling:
        if self.block == 0:
            return AffineCoupling(self.dimension, shape, flipped=flipped, limit=self.limit)
        half = self.dimension // 2
        matrix = BlockTriangular(self.dimension - half if flipped else half, self.block, self.det)
        return TriangularCoupling(self.dimension, shape, matrix, flipped=flipped, limit=self.limit)


def flow_to_bytes(flow: Flow, architecture: Architecture) -> bytes:
    """The content of flow.safetensors: the weights, with the architecture in the header."""
    state = {name: value.detach().cpu().contiguous() for name, value in flow.state_dict().items()}
    return save(state, metadata={"architecture": json.dumps(asdict(architecture))})


def flow_from_bytes(content: bytes) -> Flow:
    """The flow in the bytes of a flow.safetensors, every number in the type it was stored in."""
    # The format: 8 bytes of length, little-endian, then that many bytes of JSON.
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    architecture = Architecture(**json.loads(header["__metadata__"]["architecture"]))
    state = load(content)
    flow = architecture.build(state["transforms.0.mean"], state["transforms.0.scale"])
    flow.load_state_dict(state)
    return flow
