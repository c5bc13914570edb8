"""Describes the server, the tensors of each model, and the configuration of each model."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final

from ...codecs.v2.signature import TensorSpec
from ...model import Model
from ...repository.repository import Repository
from ...requests import Limits
from ...settings import Settings
from .protocol_model import ProtocolModel

# The optional parts of the protocol that the service implements completely.
EXTENSIONS: Final = ("binary_tensor_data", "model_configuration", "parameters", "statistics")
# By engine: the platform and the backend, as Triton names them.
PLATFORMS: Final[Mapping[str, tuple[str, str]]] = {
    "onnx": ("onnx_onnxv1", "onnxruntime"),
    "torchscript": ("pytorch_torchscript", "pytorch"),
}


def server() -> dict[str, object]:
    """Name, version and extensions of the server."""
    return {"name": "diffeo", "version": version("diffeo"), "extensions": EXTENSIONS}


def metadata(repository: Repository, kind: ProtocolModel, model: Model, settings: Settings) -> dict[str, object]:
    """Name, served versions and tensors of one protocol model."""
    signature = kind.signature(model.manifest)
    served = [number for number, entry in repository.versions(model.name).items() if isinstance(entry, Model)]
    described: dict[str, object] = {
        "name": kind.name(model.name),
        "versions": [str(number) for number in sorted(served)],
        "platform": PLATFORMS[settings.engine][0],
        "inputs": _describe(signature.inputs),
        "outputs": _describe(signature.outputs),
    }
    kinds = {name: kind_of.model_dump(mode="json") for name, kind_of in model.manifest.kinds.items()}
    return {**described, "parameters": {"kinds": kinds}} if kinds else described


def configuration(kind: ProtocolModel, model: Model, settings: Settings, limits: Limits) -> dict[str, object]:
    """The model configuration in Triton's form, which load generators and similar tools read."""
    platform, backend = PLATFORMS[settings.engine]
    signature = kind.signature(model.manifest)
    max_batch_size, batch_axes = (limits.max_rows, 1) if kind.is_batched else (0, 0)
    config: dict[str, object] = {
        "name": kind.name(model.name),
        "platform": platform,
        "backend": backend,
        "max_batch_size": max_batch_size,
        "input": [{**_configure(spec, batch_axes), "optional": not spec.required} for spec in signature.inputs],
        "output": [_configure(spec, batch_axes) for spec in signature.outputs],
        "version_policy": {"all": {}},
        "response_cache": {"enable": False},
    }
    # The batcher never delays rows to wait for more rows: a free core takes all rows that are queued.
    return {**config, "dynamic_batching": {"max_queue_delay_microseconds": 0}} if kind.is_batched else config


def _describe(specs: Sequence[TensorSpec]) -> list[dict[str, object]]:
    return [{"name": spec.name, "datatype": spec.datatypes[0], "shape": spec.shape} for spec in specs]


def _configure(spec: TensorSpec, batch_axes: int) -> dict[str, object]:
    # The dims of a batched model leave out the batch axis: max_batch_size stands for it.
    return {"name": spec.name, "data_type": f"TYPE_{spec.datatypes[0]}", "dims": spec.shape[batch_axes:]}
