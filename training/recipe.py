"""A recipe is everything that decides a fit, in one TOML file with a reason beside each value."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from .errors import RecipeError
from .flows.architecture import Architecture
from .flows.registry import coupling_from_keys, describe_transform, parse_transform
from .flows.transform import TransformSpec

RECIPES: Final = Path(__file__).parent / "recipes"
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"

Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class DataSection(_Section):
    """Where the rows come from: a target that is drawn, or a file."""

    target: Literal["moons", "circles"] | None = None
    noise: Annotated[float, Field(gt=0)] = 0.05
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    rows: Count = 100_000
    file: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.target is None) == (self.file is None):
            raise ValueError("name one source: target or file")
        return self


# A table with the key `name` and the options of that transform (`diffeo.training.flows.registry`).
TransformTable = Annotated[TransformSpec, PlainValidator(parse_transform), PlainSerializer(describe_transform)]


class FlowSection(_Section):
    """The shape of the flow (`diffeo.training.flows.architecture`).

    `limit`, `block` and `det` describe an affine coupling (block 0) or a triangular one (block 1 and above). The table
    `[flow.transform]` describes any transform of the registry and takes their place.
    """

    layers: Annotated[int, Field(ge=0, le=64)]
    hidden: Count
    depth: Count = 2
    limit: Annotated[float, Field(gt=0, le=20)] = 3.0
    sharpness: Annotated[float, Field(gt=0, le=100)] = 1.0
    block: Annotated[int, Field(ge=0)] = 0
    det: Annotated[float, Field(gt=0)] | None = None
    # Left out of the digest when absent, so that the digests of recipes without it stay as they were.
    transform: Annotated[TransformTable | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _det_needs_a_matrix(self) -> Self:
        if self.det is not None and self.block == 0:
            raise ValueError("det sets |det A|, and block = 0 has no matrix A; give block 1 or more")
        return self

    @model_validator(mode="after")
    def _one_description(self) -> Self:
        doubled = sorted({"limit", "block", "det"} & self.model_fields_set)
        if self.transform is not None and doubled:
            raise ValueError(f"move {', '.join(doubled)} into [flow.transform]; [flow] cannot hold both")
        return self

    def architecture(self, dimension: int) -> Architecture:
        """The flow of this shape for D = `dimension` columns."""
        transform = self.transform or coupling_from_keys(self.limit, self.block, self.det)
        return Architecture(dimension, self.layers, self.hidden, self.depth, transform)


class FitSection(_Section):
    """The optimisation (`diffeo.training.fit`)."""

    epochs: Count
    batch: Count
    learning_rate: Annotated[float, Field(gt=0)]
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05
    clip: Annotated[float, Field(gt=0)] = 1.0
    second_moment: Annotated[float, Field(gt=0, lt=1)] = 0.99
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.998
    setback: Annotated[float, Field(gt=0)] = 0.1
    patience: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0


class Recipe(_Section):
    """Everything that decides a fit."""

    name: Annotated[str, Field(pattern=NAME)]
    data: DataSection
    flow: FlowSection
    fit: FitSection

    @property
    def digest(self) -> str:
        """sha256 of the values; comments and layout of the TOML do not count."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    def flat(self) -> dict[str, str | int | float | bool]:
        """The values as `section.key: value`, as the manifest keeps them; a file is named without its folder."""
        values: dict[str, str | int | float | bool] = {"name": self.name}
        for section, content in self.model_dump(exclude={"name"}).items():
            values |= {f"{section}.{key}": value for key, value in content.items() if value is not None}
        if self.data.file is not None:
            values["data.file"] = Path(self.data.file).name
        return values


def read(path: Path) -> Recipe:
    """The recipe in a TOML file; a data file it names is found relative to the recipe.

    Raises:
        RecipeError: missing file, broken TOML, or a value that does not fit, named by its place.
    """
    recipe = parse(_load(path), path.name)
    if recipe.data.file is None:
        return recipe
    beside = str((path.parent / recipe.data.file).resolve())
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"file": beside})})


def for_file(data: Path, name: str) -> Recipe:
    """The default recipe, applied to the user's own table."""
    content = _load(RECIPES / "default.toml")
    return parse(content | {"name": name, "data": {"file": str(data.resolve())}}, "default.toml")


def parse(content: dict[str, object], source: str) -> Recipe:
    """Check the values of a recipe; `source` is the file that a fault is reported in."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()]
        raise RecipeError(f"{source}: {'; '.join(faults)}") from None


def _load(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no recipe at {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path.name} is not TOML: {error}") from None
