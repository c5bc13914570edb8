"""Checks the type of each field in the JSON of a v2 request; an error sentence names the field."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeGuard

from ...errors import InvalidRequest, listed
from .signature import TensorSpec

MAX_ID_CHARACTERS: Final = 1024
MAX_SIZES_SHOWN: Final = 8
MAX_NAME_SHOWN: Final = 64

JsonObject = Mapping[str, object]


def parse_id(value: object) -> str | None:
    """The id of a request; None if it has none."""
    if value is None or (isinstance(value, str) and len(value) <= MAX_ID_CHARACTERS):
        return value
    raise InvalidRequest(f"id must be a string of at most {MAX_ID_CHARACTERS} characters")


def parse_tensor_list(value: object, field: str) -> Sequence[JsonObject]:
    """The entries of `inputs` or `outputs`."""
    if not isinstance(value, list) or not all(map(_is_object, value)):
        raise InvalidRequest(f"{field} must be a list of tensors, each an object with a name")
    return value


def find_spec(entry: JsonObject, specs: Mapping[str, TensorSpec], kind: str) -> TensorSpec:
    """The tensor of the signature that an entry names; `kind` is input or output."""
    name = entry.get("name")
    if isinstance(name, str) and name in specs:
        return specs[name]
    fact = f"{kind} {ascii(name)[:MAX_NAME_SHOWN]} is unknown" if isinstance(name, str) else f"an {kind} has no name"
    raise InvalidRequest(f"{fact}; this model has {listed(specs)}")


def parse_parameters(value: object, field: str) -> JsonObject:
    """The parameters of a request, an input or an output; empty if there are none."""
    if value is None:
        return {}
    if not _is_object(value) or not all(isinstance(item, str | int | float) for item in value.values()):
        raise InvalidRequest(f"{field} must be an object whose values are strings, numbers or booleans")
    return value


def parse_boolean(value: object, parameter: str) -> bool:
    """A parameter that is true or false."""
    if not isinstance(value, bool):
        raise InvalidRequest(f"{parameter} must be true or false")
    return value


def check_unsupported(parameters: JsonObject, unsupported: Sequence[str], owner: str) -> None:
    """Raise InvalidRequest if a parameter is one that the protocol has and this service does not support."""
    for name in unsupported:
        if name in parameters:
            raise InvalidRequest(f"{owner} has the parameter {name}, which this service does not support; leave it out")


def is_size(value: object) -> TypeGuard[int]:
    """True for a whole number from 0; False for a boolean."""
    return type(value) is int and value >= 0


def format_shape(shape: Sequence[int]) -> str:
    """A shape for an error sentence; only the first MAX_SIZES_SHOWN sizes are written."""
    sizes = ", ".join(map(str, shape[:MAX_SIZES_SHOWN]))
    return f"[{sizes}{', ...' if len(shape) > MAX_SIZES_SHOWN else ''}]"


def _is_object(value: object) -> TypeGuard[JsonObject]:
    return isinstance(value, dict)
