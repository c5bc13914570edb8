"""A v2 request: bytes to the tensors, parameters and outputs that it names, each held to the model's signature.

The body is JSON; or JSON, then the bytes of those inputs that the JSON gives a size instead of data, in its order; or,
as a raw request, the bytes of the only input. Numbers in bytes are little-endian, row after row, without padding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ...errors import InvalidRequest, MalformedBody
from ...requests import Rows
from . import document, inputs
from .fields import Named, entries, flag, identity, known, scalars, shown, without
from .inputs import ELSEWHERE, Rest
from .signature import Array, Signature, is_real

MAX_DIGITS: Final = 18


class Wanted(NamedTuple):
    """An output that the client asks for, as bytes or in the JSON."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A v2 request, decoded.

    Attributes:
        id: what the client calls it, if anything; the answer repeats it.
        parameters: those of the request, but for `binary_data_output`.
        inputs: the tensors by name; numbers from JSON are float64 whatever their datatype, but for whole ones.
        outputs: those that are asked for, in this order.
    """

    id: str | None
    parameters: Named
    inputs: Mapping[str, Array]
    outputs: tuple[Wanted, ...]

    def rows(self, name: str) -> Rows:
        """An input as what a flow computes with: whole numbers become float64."""
        values = self.inputs[name]
        return values if is_real(values) else values.astype(np.float64)


def decode(body: bytes, length: bytes | None, signature: Signature) -> Call:
    """The call in a body.

    Args:
        body: all of it, not compressed.
        length: what `Inference-Header-Content-Length` says, if it is there.
        signature: of the model that is asked.

    Raises:
        MalformedBody: the bytes are not what they claim to be.
        InvalidRequest: a value does not fit the protocol or the signature.
    """
    size = _json_bytes(length, len(body))
    if body and not size:
        return Call(None, {}, inputs.raw(body, signature), _all(signature, binary=True))
    given = document.read(body[:size])
    parameters = {**scalars(given.get("parameters"), "parameters")}
    binary = flag(parameters.pop("binary_data_output", False), "binary_data_output")
    outputs = _outputs(given.get("outputs"), signature, binary=binary)
    return Call(identity(given.get("id")), parameters, _inputs(given.get("inputs"), signature, body, size), outputs)


def _json_bytes(length: bytes | None, size: int) -> int:
    if length is None:
        return size
    # Compared by length first: a number of any length is a header, and int() refuses the longest.
    if not length.isdigit() or len(length) > MAX_DIGITS or int(length) > size:
        raise MalformedBody(f"Inference-Header-Content-Length must be a number of bytes from 0 to the body's {size}")
    return int(length)


def _inputs(given: object, signature: Signature, body: bytes, offset: int) -> dict[str, Array]:
    rest = Rest(body, offset)
    takes = {tensor.name: tensor for tensor in signature.inputs}
    tensors: dict[str, Array] = {}
    for entry in entries(given, "inputs"):
        tensor = known(entry, takes, "input")
        if tensor.name in tensors:
            raise InvalidRequest(f"input {tensor.name} is given twice")
        tensors[tensor.name] = inputs.read(entry, tensor, rest)
    rest.end()
    for tensor in signature.inputs:
        if tensor.required and tensor.name not in tensors:
            raise InvalidRequest(f"input {tensor.name} is missing: {tensor.datatypes[0]} {shown(tensor.shape)}")
    return tensors


def _outputs(given: object, signature: Signature, *, binary: bool) -> tuple[Wanted, ...]:
    gives = {tensor.name: tensor for tensor in signature.outputs}
    outputs: dict[str, Wanted] = {}
    for entry in entries([] if given is None else given, "outputs"):
        name = known(entry, gives, "output").name
        if name in outputs:
            raise InvalidRequest(f"output {name} is asked for twice")
        parameters = scalars(entry.get("parameters"), f"the parameters of output {name}")
        without(parameters, ("classification", *ELSEWHERE), f"output {name}")
        outputs[name] = Wanted(name, flag(parameters.get("binary_data", binary), "binary_data"))
    # Who names none wants all.
    return tuple(outputs.values()) or _all(signature, binary=binary)


def _all(signature: Signature, *, binary: bool) -> tuple[Wanted, ...]:
    return tuple(Wanted(tensor.name, binary) for tensor in signature.outputs)
