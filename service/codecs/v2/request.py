"""Decodes a v2 request: its tensors, parameters and requested outputs, checked against the model's signature.

The body is JSON; or JSON, then the bytes of the inputs that have a binary_data_size instead of data, in their order;
or, in a raw request, the bytes of the only input. Numbers in bytes are little-endian, row after row, without padding.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ...errors import InvalidRequest, MalformedBody
from ...requests import DEFAULT_LIMITS, Limits, Rows
from . import document
from .fields import (
    JsonObject,
    check_unsupported,
    find_spec,
    format_shape,
    parse_boolean,
    parse_id,
    parse_parameters,
    parse_tensor_list,
)
from .inputs import SHARED_MEMORY, BinaryTail, read_input, read_raw
from .signature import ANY_SIZE, Array, Signature, TensorSpec, is_floating

MAX_LENGTH_DIGITS: Final = 18
# The most bytes of memory that decoding takes for each byte of a body.
DECODE_MULTIPLE: Final = 5


class RequestedOutput(NamedTuple):
    """An output that the client wants; `binary` says whether it is sent as bytes or as JSON numbers."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A decoded v2 request.

    Attributes:
        id: the client's id of the request, if any; the response repeats it.
        parameters: the parameters of the request, without `binary_data_output`.
        inputs: the tensors by name. Floats from JSON are float64, also if their datatype is FP32.
        outputs: the requested outputs, in the order of the response.
    """

    id: str | None
    parameters: JsonObject
    inputs: Mapping[str, Array]
    outputs: tuple[RequestedOutput, ...]

    def rows(self, name: str) -> Rows:
        """An input as floats; integers are converted to float64."""
        values = self.inputs[name]
        return values if is_floating(values) else values.astype(np.float64)


def decode(body: bytes, length: bytes | None, signature: Signature, limits: Limits = DEFAULT_LIMITS) -> InferRequest:
    """Decode a body.

    Args:
        body: the whole body, decompressed.
        length: the header `Inference-Header-Content-Length`; None if it is absent.
        signature: the signature of the model that is addressed.
        limits: where the decoding of a long body stops.

    Raises:
        MalformedBody: the bytes are not the format that they claim to be.
        InvalidRequest: a value does not fit the protocol or the signature.
    """
    size = _json_size(length, len(body))
    if body and not size:
        return InferRequest(None, {}, read_raw(body, signature), _all_outputs(signature, binary=True))
    row_values = max((_row_values(spec) for spec in signature.inputs), default=1)
    names = [spec.name for spec in signature.inputs]
    fields = document.read(body[:size], names, limits.max_rows * row_values)
    parameters = {**parse_parameters(fields.get("parameters"), "parameters")}
    binary = parse_boolean(parameters.pop("binary_data_output", False), "binary_data_output")
    outputs = _parse_outputs(fields.get("outputs"), signature, binary=binary)
    request_id = parse_id(fields.get("id"))
    inputs = _parse_inputs(fields.get("inputs"), signature, BinaryTail(body, size))
    return InferRequest(request_id, parameters, inputs, outputs)


def _row_values(spec: TensorSpec) -> int:
    return math.prod(size for size in spec.shape if size != ANY_SIZE)


def _json_size(length: bytes | None, body_size: int) -> int:
    if length is None:
        return body_size
    # The number of digits is checked first, because int() raises ValueError for very long numbers.
    if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS or int(length) > body_size:
        expected = f"a number of bytes from 0 to {body_size}, the size of the body"
        raise MalformedBody(f"Inference-Header-Content-Length must be {expected}")
    return int(length)


def _parse_inputs(value: object, signature: Signature, tail: BinaryTail) -> dict[str, Array]:
    specs = {spec.name: spec for spec in signature.inputs}
    tensors: dict[str, Array] = {}
    for entry in parse_tensor_list(value, "inputs"):
        spec = find_spec(entry, specs, "input")
        if spec.name in tensors:
            raise InvalidRequest(f"input {spec.name} is given twice")
        tensors[spec.name] = read_input(entry, spec, tail)
    tail.check_all_taken()
    for spec in signature.inputs:
        if spec.required and spec.name not in tensors:
            expected = f"{spec.datatypes[0]} {format_shape(spec.shape)}"
            raise InvalidRequest(f"input {spec.name} is missing; send it as {expected}")
    return tensors


def _parse_outputs(value: object, signature: Signature, *, binary: bool) -> tuple[RequestedOutput, ...]:
    specs = {spec.name: spec for spec in signature.outputs}
    outputs: dict[str, RequestedOutput] = {}
    for entry in parse_tensor_list([] if value is None else value, "outputs"):
        name = find_spec(entry, specs, "output").name
        if name in outputs:
            raise InvalidRequest(f"output {name} is requested twice")
        parameters = parse_parameters(entry.get("parameters"), f"the parameters of output {name}")
        check_unsupported(parameters, ("classification", *SHARED_MEMORY), f"output {name}")
        outputs[name] = RequestedOutput(name, parse_boolean(parameters.get("binary_data", binary), "binary_data"))
    # A request that names no output gets all of them.
    return tuple(outputs.values()) or _all_outputs(signature, binary=binary)


def _all_outputs(signature: Signature, *, binary: bool) -> tuple[RequestedOutput, ...]:
    return tuple(RequestedOutput(spec.name, binary) for spec in signature.outputs)
