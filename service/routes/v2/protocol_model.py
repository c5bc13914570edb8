"""The four models of the Open Inference Protocol for each flow: NAME, NAME.sample, NAME.forward and NAME.inverse."""

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
    """One kind of protocol model.

    Attributes:
        suffix: the part of its name after the name of the flow and a dot; empty if the flow's name stands alone.
        operation: the native operation that computes its answers, and that its requests are counted as.
        input_name: name of its input tensor.
        output_names: names of its output tensors.
        parameters: names that its requests may have as parameters, beside `precision` and `timeout`.
    """

    suffix: str
    operation: str
    input_name: str
    output_names: tuple[str, ...]
    parameters: frozenset[str]

    @property
    def is_batched(self) -> bool:
        """True if each row of the input has an answer that does not depend on the other rows."""
        return self.input_name != NUM_SAMPLES

    def name(self, flow: str) -> str:
        """The name of this protocol model of a flow."""
        return f"{flow}.{self.suffix}" if self.suffix else flow

    def signature(self, manifest: Manifest) -> Signature:
        """The tensors of its requests and responses, for the flow of this manifest."""
        return _signature(self, manifest.dimension, DATATYPES[manifest.dtype])


LOG_PROB: Final = ProtocolModel("", "log_prob", "x", ("log_prob",), LOG_PROB_PARAMETERS)
SAMPLE: Final = ProtocolModel(
    "sample", "sample", NUM_SAMPLES, ("x", "log_prob", "z"), SAMPLE_PARAMETERS - {"return"}
)  # fmt: skip
FORWARD: Final = ProtocolModel("forward", "transform", "x", ("z", LOG_ABS_DET_JACOBIAN), LOG_PROB_PARAMETERS)
INVERSE: Final = ProtocolModel("inverse", "transform", "z", ("x", LOG_ABS_DET_JACOBIAN), LOG_PROB_PARAMETERS)
PROTOCOL_MODELS: Final = (LOG_PROB, SAMPLE, FORWARD, INVERSE)
BY_SUFFIX: Final[Mapping[str, ProtocolModel]] = {kind.suffix: kind for kind in PROTOCOL_MODELS}


def parse_name(name: str) -> tuple[str, ProtocolModel]:
    """Split the name of a protocol model into the name of the flow and the kind of the model.

    Raises:
        ModelNotFound: the name has an unknown suffix, or no name before it.

    Example:
        >>> flow, kind = parse_name("moons.forward")
        >>> flow, kind.operation, kind.output_names
        ('moons', 'transform', ('z', 'log_abs_det_jacobian'))
    """
    flow, dot, suffix = name.partition(".")
    # A name may not end in a dot.
    kind = BY_SUFFIX.get(suffix) if bool(dot) == bool(suffix) else None
    if not flow or kind is None:
        names = ", ".join(kind.name("NAME") for kind in PROTOCOL_MODELS)
        raise ModelNotFound(f"no model of that name; each flow is served as {names}")
    return flow, kind


@functools.lru_cache(maxsize=256)
def _signature(kind: ProtocolModel, dimension: int, datatype: str) -> Signature:
    other = next(name for name in DATATYPES.values() if name != datatype)
    inputs = {
        "x": TensorSpec("x", (datatype, other), (ANY_SIZE, dimension)),
        "z": TensorSpec("z", ("FP32", "FP64"), (ANY_SIZE, dimension)),
        # The parameter of the same name can replace this input.
        NUM_SAMPLES: TensorSpec(NUM_SAMPLES, ("INT64",), (1,), required=False),
    }
    outputs = {
        "x": TensorSpec("x", (datatype,), (ANY_SIZE, dimension)),
        "z": TensorSpec("z", ("FP32",), (ANY_SIZE, dimension)),
        "log_prob": TensorSpec("log_prob", ("FP32",), (ANY_SIZE,)),
        LOG_ABS_DET_JACOBIAN: TensorSpec(LOG_ABS_DET_JACOBIAN, ("FP32",), (ANY_SIZE,)),
    }
    return Signature((inputs[kind.input_name],), tuple(outputs[name] for name in kind.output_names))
