"""One flow has four faces, each a model of the protocol: NAME, NAME.sample, NAME.forward, NAME.inverse."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from diffeo.bundle.manifest import Manifest
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN

from ...codecs.v2.signature import ANY_SIZE, Signature, TensorSpec
from ...errors import ModelNotFound
from ...requests import LOG_PROB_PARAMETERS, SAMPLE_PARAMETERS

DATATYPES: Final = {"float32": "FP32", "float64": "FP64"}
NUM_SAMPLES: Final = "num_samples"


@dataclass(frozen=True, slots=True)
class ProtocolModel:
    """One of the four.

    Attributes:
        suffix: what follows the name of the flow and a dot; nothing where the name stands alone.
        source: the input.
        parts: the outputs.
        parameters: those that its requests may have, beside `precision` and `timeout`.
    """

    suffix: str
    source: str
    parts: tuple[str, ...]
    parameters: frozenset[str]

    @property
    def batches(self) -> bool:
        """Each row of the input has its answer, whatever rows are beside it."""
        return self.source != NUM_SAMPLES

    @property
    def verb(self) -> str:
        """The native verb that answers for it, and that its requests are counted as."""
        return "transform" if self.suffix in {"forward", "inverse"} else self.suffix or "log_prob"

    def name(self, flow: str) -> str:
        """What clients call this face of a flow."""
        return f"{flow}.{self.suffix}" if self.suffix else flow

    def signature(self, manifest: Manifest) -> Signature:
        """Its tensors."""
        return _signature(self, manifest.dimension, DATATYPES[manifest.dtype])


LOG_PROB: Final = ProtocolModel("", "x", ("log_prob",), LOG_PROB_PARAMETERS)
SAMPLE: Final = ProtocolModel("sample", NUM_SAMPLES, ("x", "log_prob", "z"), SAMPLE_PARAMETERS - {"return"})
FORWARD: Final = ProtocolModel("forward", "x", ("z", LOG_ABS_DET_JACOBIAN), LOG_PROB_PARAMETERS)
INVERSE: Final = ProtocolModel("inverse", "z", ("x", LOG_ABS_DET_JACOBIAN), LOG_PROB_PARAMETERS)
PROTOCOL_MODELS: Final = (LOG_PROB, SAMPLE, FORWARD, INVERSE)
BY_SUFFIX: Final[Mapping[str, ProtocolModel]] = {face.suffix: face for face in PROTOCOL_MODELS}


def parse(name: str) -> tuple[str, ProtocolModel]:
    """The flow and the face that a name means.

    Raises:
        ModelNotFound: no flow has such a face.
    """
    flow, dot, suffix = name.partition(".")
    # A dot with nothing behind it is no name.
    face = BY_SUFFIX.get(suffix) if bool(dot) == bool(suffix) else None
    if not flow or face is None:
        names = ", ".join(face.name("NAME") for face in PROTOCOL_MODELS)
        raise ModelNotFound(f"no model of that name; each flow is served as {names}")
    return flow, face


@functools.lru_cache(maxsize=256)
def _signature(face: ProtocolModel, dimension: int, datatype: str) -> Signature:
    other = next(kind for kind in DATATYPES.values() if kind != datatype)
    sources = {
        "x": TensorSpec("x", (datatype, other), (ANY_SIZE, dimension)),
        "z": TensorSpec("z", ("FP32", "FP64"), (ANY_SIZE, dimension)),
        # The parameter of the same name may take its place.
        NUM_SAMPLES: TensorSpec(NUM_SAMPLES, ("INT64",), (1,), required=False),
    }
    parts = {
        "x": TensorSpec("x", (datatype,), (ANY_SIZE, dimension)),
        "z": TensorSpec("z", ("FP32",), (ANY_SIZE, dimension)),
        "log_prob": TensorSpec("log_prob", ("FP32",), (ANY_SIZE,)),
        LOG_ABS_DET_JACOBIAN: TensorSpec(LOG_ABS_DET_JACOBIAN, ("FP32",), (ANY_SIZE,)),
    }
    return Signature((sources[face.source],), tuple(parts[part] for part in face.parts))
