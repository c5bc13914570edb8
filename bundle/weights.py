"""Compares the weights inside the graphs with those of flow.safetensors, bit by bit, where a bundle holds both.

The graphs of our exporter hold each weight of the flow under its name. A changed weight may have an effect only on rows
so rare that no draw meets them; here it is noticed exactly. Graphs of other exporters use other names, and pass.
"""

import json
import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from . import graph
from .errors import WeightsDisagree
from .manifest import FileName

Array = npt.NDArray[np.floating]

FILE: Final[FileName] = "flow.safetensors"
GRAPHS: Final[tuple[FileName, ...]] = ("forward.onnx", "inverse.onnx")
# The exporter wraps the flow in a module with this attribute.
PREFIX: Final = "flow."
LENGTH_BYTES: Final = 8
MAX_HEADER_BYTES: Final = 2**20
DTYPES: Final = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


def check(files: Mapping[FileName, bytes]) -> None:
    """Check the weights of the main graphs, whose content is checked already.

    Raises:
        WeightsDisagree: a graph holds another weight of the same name, or the file is not a safetensors file.
    """
    if FILE not in files:
        return
    stored = _parse(files[FILE])
    for file in GRAPHS:
        for name, weight in graph.weights(file, files[file]).items():
            expected = stored.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
            if expected is not None and not _same(weight, expected):
                raise WeightsDisagree(f"{file} holds other numbers than {FILE} as {ascii(name)[:64]}")


def _same(weight: Array, expected: Array) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        cast = expected.astype(weight.dtype)
    return weight.shape == cast.shape and weight.tobytes() == cast.tobytes()


def _parse(content: bytes) -> dict[str, Array]:
    """The tensors of float32 and float64 by name."""
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    begin = LENGTH_BYTES + length
    if len(content) < LENGTH_BYTES or length > MAX_HEADER_BYTES or begin > len(content):
        raise WeightsDisagree(f"{FILE} is not a safetensors file: its header does not fit")
    try:
        header = json.loads(content[LENGTH_BYTES:begin])
    except (ValueError, RecursionError) as error:
        raise WeightsDisagree(f"{FILE} is not a safetensors file: {error}") from None
    if not isinstance(header, dict):
        raise WeightsDisagree(f"{FILE} is not a safetensors file: its header is no JSON object")
    data = memoryview(content)[begin:]
    return {
        name: _tensor(name, entry, data)
        for name, entry in header.items()
        if isinstance(entry, dict) and entry.get("dtype") in DTYPES
    }


def _tensor(name: str, entry: Mapping[str, object], data: memoryview) -> Array:
    dtype = DTYPES[str(entry["dtype"])]
    match entry:
        case {"shape": [*sizes], "data_offsets": [int(start), int(end)]}:
            shape = tuple(size for size in sizes if isinstance(size, int) and size >= 0)
            fits = len(shape) == len(sizes) and end - start == math.prod(shape) * dtype.itemsize
            if fits and 0 <= start <= end <= len(data):
                found: Array = np.frombuffer(data[start:end], dtype).reshape(shape)
                return found
    raise WeightsDisagree(f"{FILE} is not a safetensors file: {ascii(name)[:64]} does not fit")
