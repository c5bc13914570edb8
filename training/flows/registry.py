"""The transforms that a recipe can name. To add one, write its file and add one entry to TRANSFORMS."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue, ValidationError

from ..errors import BadTransform
from .affine import AffineCouplingSpec
from .splines.coupling import SplineCouplingSpec
from .transform import TransformSpec
from .triangular_coupling import TriangularCouplingSpec

TRANSFORMS: Final[dict[str, type[TransformSpec]]] = {
    "affine_coupling": AffineCouplingSpec,
    "spline_coupling": SplineCouplingSpec,
    "triangular_coupling": TriangularCouplingSpec,
}


def parse_transform(description: Mapping[str, object]) -> TransformSpec:
    """The transform that a description names, with its options.

    >>> parse_transform({"name": "affine_coupling", "limit": 2.0})
    AffineCouplingSpec(limit=2.0)

    Raises:
        BadTransform: the name is unknown, or an option is unknown or out of its range.
    """
    options = dict(description)
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in TRANSFORMS:
        raise BadTransform(f"no transform has the name {name!r}; choose one of {', '.join(TRANSFORMS)}")
    try:
        return TRANSFORMS[name].model_validate(options)
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg']}" for e in error.errors()]
        raise BadTransform(f"{name}: {'; '.join(reasons)}") from None


def describe_transform(spec: TransformSpec) -> dict[str, JsonValue]:
    """The description from which `parse_transform` makes the same spec; options that are None are left out.

    >>> describe_transform(TriangularCouplingSpec(block=2))
    {'name': 'triangular_coupling', 'block': 2, 'limit': 3.0}
    """
    name = next(name for name, kind in TRANSFORMS.items() if type(spec) is kind)
    return {"name": name, **spec.model_dump(exclude_none=True)}


def coupling_from_keys(limit: float, block: int = 0, det: float | None = None) -> TransformSpec:
    """The coupling that the three keys of a recipe's [flow] describe: block 0 is affine, 1 and above triangular."""
    if block == 0:
        return AffineCouplingSpec(limit=limit)
    return TriangularCouplingSpec(block=block, det=det, limit=limit)
