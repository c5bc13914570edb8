"""What there is: the server with what it offers of the protocol, each model with its tensors and configuration."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final

from ...codecs.v2.signature import TensorSpec
from ...model import Model
from ...repository.repository import Repository
from ...requests import Limits
from ...settings import Settings
from .protocol_model import ProtocolModel

# Optional parts of the protocol that are offered whole: loading and unloading of models is not.
EXTENSIONS: Final = ("binary_tensor_data", "model_configuration", "parameters", "statistics")
PLATFORMS: Final[Mapping[str, tuple[str, str]]] = {
    "onnx": ("onnx_onnxv1", "onnxruntime"),
    "torchscript": ("pytorch_torchscript", "pytorch"),
}


def server() -> dict[str, object]:
    """The server."""
    return {"name": "diffeo", "version": version("diffeo"), "extensions": EXTENSIONS}


def metadata(repository: Repository, face: ProtocolModel, model: Model, settings: Settings) -> dict[str, object]:
    """One face of a flow, and in which versions it is served."""
    signature = face.signature(model.manifest)
    served = [number for number, entry in repository.versions(model.name).items() if isinstance(entry, Model)]
    return {
        "name": face.name(model.name),
        "versions": [str(number) for number in sorted(served)],
        "platform": PLATFORMS[settings.engine][0],
        "inputs": _tensors(signature.inputs),
        "outputs": _tensors(signature.outputs),
    }


def configuration(face: ProtocolModel, model: Model, settings: Settings, limits: Limits) -> dict[str, object]:
    """The same as tools read it that ask how a model may be driven."""
    platform, backend = PLATFORMS[settings.engine]
    signature = face.signature(model.manifest)
    most, axes = (limits.max_rows, 1) if face.batches else (0, 0)
    config: dict[str, object] = {
        "name": face.name(model.name),
        "platform": platform,
        "backend": backend,
        "max_batch_size": most,
        "input": [{**_configured(tensor, axes), "optional": not tensor.required} for tensor in signature.inputs],
        "output": [_configured(tensor, axes) for tensor in signature.outputs],
        "version_policy": {"all": {}},
        "response_cache": {"enable": False},
    }
    # Nothing waits for others to come: what is there when a core is free is the next batch.
    return {**config, "dynamic_batching": {"max_queue_delay_microseconds": 0}} if face.batches else config


def _tensors(tensors: Sequence[TensorSpec]) -> list[dict[str, object]]:
    return [{"name": one.name, "datatype": one.datatypes[0], "shape": one.shape} for one in tensors]


def _configured(tensor: TensorSpec, axes: int) -> dict[str, object]:
    # Where there are batches, their axis is told by max_batch_size alone.
    return {"name": tensor.name, "data_type": f"TYPE_{tensor.datatypes[0]}", "dims": tensor.shape[axes:]}
