"""Fields of the JSON of a v2 request: each of its type, or refused in a sentence that names it."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeGuard

from ...errors import InvalidRequest, listed
from .signature import Tensor

MAX_ID: Final = 1024
SHOWN_SIZES: Final = 8
SHOWN_NAME: Final = 64

Named = Mapping[str, object]


def identity(given: object) -> str | None:
    """The id of a request, if it has one."""
    if given is None or (isinstance(given, str) and len(given) <= MAX_ID):
        return given
    raise InvalidRequest(f"id must be a string of at most {MAX_ID} characters")


def entries(given: object, what: str) -> Sequence[Named]:
    """The tensors of `inputs` or `outputs`."""
    if not isinstance(given, list) or not all(map(_is_object, given)):
        raise InvalidRequest(f"{what} must be a list of tensors, each an object with a name")
    return given


def known(entry: Named, tensors: Mapping[str, Tensor], what: str) -> Tensor:
    """The tensor of the signature that an entry names."""
    name = entry.get("name")
    if isinstance(name, str) and name in tensors:
        return tensors[name]
    shown = f"{what} {ascii(name)[:SHOWN_NAME]} is unknown" if isinstance(name, str) else f"an {what} has no name"
    raise InvalidRequest(f"{shown}; this model has {listed(tensors)}")


def scalars(given: object, what: str) -> Named:
    """Parameters: of a request, an input or an output."""
    if given is None:
        return {}
    if not _is_object(given) or not all(isinstance(value, str | int | float) for value in given.values()):
        raise InvalidRequest(f"{what} must be an object whose values are strings, numbers or booleans")
    return given


def flag(given: object, what: str) -> bool:
    """A parameter that is true or false."""
    if not isinstance(given, bool):
        raise InvalidRequest(f"{what} must be true or false")
    return given


def without(parameters: Named, names: Sequence[str], whose: str) -> Named:
    """Parameters with none of these, which the protocol has and this service does not offer."""
    for name in names:
        if name in parameters:
            raise InvalidRequest(f"{whose} has the parameter {name}, which is not offered here")
    return parameters


def is_size(value: object) -> TypeGuard[int]:
    """True for a whole number from 0; True itself is none."""
    return type(value) is int and value >= 0


def shown(shape: Sequence[int]) -> str:
    """A shape for a sentence, cut before it is too long to be in one."""
    sizes = ", ".join(map(str, shape[:SHOWN_SIZES]))
    return f"[{sizes}{', ...' if len(shape) > SHOWN_SIZES else ''}]"


def _is_object(value: object) -> TypeGuard[Named]:
    return isinstance(value, dict)
