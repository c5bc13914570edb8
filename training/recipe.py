"""Recipes: one TOML file holds all values that determine a fit."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    model_validator,
)

from . import duration
from .data_section import Count, DataSection, Section
from .errors import RecipeError
from .flow_section import FlowSection

RECIPES: Final = Path(__file__).parent / "recipes"
STANDARD_INPUT: Final = "-"
# The name of a table that was given as an object and not as a file.
IN_MEMORY: Final = "(in memory)"
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


def _seconds(value: object) -> object:
    return duration.parse(value) if isinstance(value, str) else value


# A key that is left out of the digest when absent, so that the digests of recipes without it stay as they were.
def _absent(value: object) -> bool:
    return value is None


class FitSection(Section):
    """The optimisation (`diffeo.training.fitting`).

    `epochs`, `steps` and `budget` are three ways to say how long the fit is. Without any of them, the size of the table
    decides (`diffeo.training.fitting.plan.default_steps`).

    Attributes:
        epochs: passes over the training rows; the fit evaluates after each.
        batch: rows of one optimiser step.
        learning_rate: the largest; it rises during the warm-up and falls along a cosine.
        warm_up: share of all steps.
        clip: largest norm of the gradient.
        second_moment: AdamW's beta_2.
        weight_decay: of AdamW; "auto" leaves it to the table (`diffeo.training.preparation.flow_sizes`).
        average: decay of the exponential moving average of the weights.
        rollback: nats; a validation loss above the best by more returns the fit to its best weights.
        patience: passes without a better validation loss before the fit ends. 0 never ends a fit with `epochs` early;
            for other fits it leaves the decision to `patience_steps`.
        seed: of the rows, the weights and the order.
        steps: optimiser steps.
        budget: seconds of the whole fit, publication included; text in a recipe, such as "90s", "2m" or "1h30m".
        warm_up_steps: takes the place of `warm_up`.
        patience_steps: takes the place of `patience`; 0 never ends the fit early. Without either key, a fit without
            `epochs` waits for a tenth of its steps, and for 1,000 at least.
        base_rate: learning rate of a mixture base, as a share of that of the other weights. The base starts near its
            end, and large steps spoil it.
    """

    # Digests and the ids of the study's trials were computed with the old key `setback`, which recipes may still use.
    model_config = ConfigDict(serialize_by_alias=True)

    epochs: Count | None = None
    batch: Count
    learning_rate: Annotated[float, Field(gt=0)]
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05
    clip: Annotated[float, Field(gt=0)] = 1.0
    second_moment: Annotated[float, Field(gt=0, lt=1)] = 0.99
    weight_decay: Annotated[float, Field(ge=0)] | Literal["auto"] = 0.0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.998
    rollback: Annotated[
        float, Field(gt=0, validation_alias=AliasChoices("rollback", "setback"), serialization_alias="setback")
    ] = 0.1
    patience: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    steps: Annotated[Count | None, Field(exclude_if=_absent)] = None
    budget: Annotated[float | None, BeforeValidator(_seconds), Field(gt=0, exclude_if=_absent)] = None
    warm_up_steps: Annotated[int | None, Field(ge=0, exclude_if=_absent)] = None
    patience_steps: Annotated[int | None, Field(ge=0, exclude_if=_absent)] = None
    base_rate: Annotated[float, Field(gt=0, le=1, exclude_if=lambda value: value == 1)] = 1.0

    @property
    def decay(self) -> float:
        """`weight_decay` once it is a number.

        Raises:
            ValueError: it is still "auto".
        """
        if self.weight_decay == "auto":
            raise ValueError('weight_decay is a number once the table is known; it is still "auto"')
        return self.weight_decay

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        given = [key for key in ("epochs", "steps", "budget") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"{', '.join(given)} each set the length of the fit; keep one of them")
        return self


class Recipe(Section):
    """All values that determine a fit.

    >>> recipe = parse(
    ...     {
    ...         "name": "moons",
    ...         "data": {"target": "moons"},
    ...         "flow": {"layers": 4, "hidden": 16},
    ...         "fit": {"epochs": 5, "batch": 256, "learning_rate": 1e-3},
    ...     },
    ...     "moons.toml",
    ... )
    >>> recipe.fit.rollback
    0.1
    """

    name: Annotated[str, Field(pattern=NAME)]
    data: DataSection
    flow: FlowSection
    fit: FitSection
    # Other flows that are fitted at the same time; the best of all on the validation rows is published.
    alternative: Annotated[
        tuple[FlowSection, ...], Strict(strict=False), Field(exclude_if=lambda value: not value)
    ] = ()

    def flows(self, columns: int) -> tuple[FlowSection, ...]:
        """Every flow to fit to a table of so many columns."""
        return tuple(
            section
            for section in (self.flow, *self.alternative)
            if section.most_columns is None or columns <= section.most_columns
        )

    @property
    def digest(self) -> str:
        """sha256 of the values; it does not depend on the comments and the layout of the TOML."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    def flat(self) -> dict[str, str | int | float | bool]:
        """The values as `section.key: value`, as the manifest keeps them; a data file appears without its folder."""
        return _flat({**self.model_dump(by_alias=False), "data": self.data.flat()})


def read(path: Path) -> Recipe:
    """Read the recipe in a TOML file; the path of a data file is relative to the recipe.

    A recipe without [flow] takes the flows of the default recipe, and one without [fit] takes its optimisation.

    Raises:
        RecipeError: the file is missing, it is not TOML, or a value is wrong; the message gives its section and key.
    """
    return _with_data(parse(_with_defaults(_load(path)), path.name), path.parent, {})


def _with_defaults(content: dict[str, object]) -> dict[str, object]:
    default = _load(RECIPES / "default.toml")
    sections = {"flow", "alternative"} if "flow" not in content else set()
    sections |= {"fit"} if "fit" not in content else set()
    return {key: value for key, value in default.items() if key in sections} | content


def with_budget(recipe: Recipe, budget: str) -> Recipe:
    """The recipe with a budget in place of its epochs or steps.

    Raises:
        RecipeError: the text is not a span of time.
    """
    return with_fit_options(recipe, budget=budget, steps=None, seed=recipe.fit.seed)


def with_fit_options(recipe: Recipe, *, budget: str | None, steps: int | None, seed: int) -> Recipe:
    """The recipe with another seed, and with a budget or a number of steps in place of its length if one is given.

    Raises:
        RecipeError: the budget is not a span of time, or both are given.
    """
    fit: dict[str, object] = {**recipe.fit.model_dump(by_alias=False), "seed": seed}
    try:
        given = {"steps": steps, "budget": None if budget is None else duration.parse(budget)}
    except ValueError as error:
        raise RecipeError(f"--budget: {error}") from None
    if length := {key: value for key, value in given.items() if value is not None}:
        fit = {key: value for key, value in fit.items() if key not in {"epochs", "steps", "budget"}} | length
    return parse(_content(recipe) | {"fit": fit}, recipe.name)


def with_table_options(recipe: Recipe, options: Mapping[str, object]) -> Recipe:
    """The recipe with these options of reading and choosing, by their names in `DataSection`.

    Raises:
        RecipeError: the recipe draws its rows, or an option has a wrong value.
    """
    return _with_data(recipe, Path(), options)


def for_files(files: Sequence[str], name: str, options: Mapping[str, object] = MappingProxyType({})) -> Recipe:
    """The default recipe for a table of the user.

    Args:
        files: paths and patterns; - is standard input.
        name: of the model.
        options: of reading and choosing, by their names in `DataSection`.

    Raises:
        RecipeError: the name or an option has a wrong value.
    """
    content = _load(RECIPES / "default.toml")
    return _with_data(parse(content | {"name": name, "data": {"file": list(files)}}, f"--name {name}"), Path(), options)


def _with_data(recipe: Recipe, folder: Path, options: Mapping[str, object]) -> Recipe:
    """The recipe with these options, and with its files as absolute paths; they are relative to the folder."""
    files = [
        name if name in {STANDARD_INPUT, IN_MEMORY} else str((folder / name).resolve()) for name in recipe.data.files
    ]
    given: dict[str, object] = {"file": files[0] if len(files) == 1 else files} if files else {}
    if not given and not options:
        return recipe
    return parse(_content(recipe) | {"data": {**recipe.data.model_dump(), **given, **options}}, recipe.name)


def _content(recipe: Recipe) -> dict[str, object]:
    """The values that were given, from which the same recipe can be parsed."""
    return recipe.model_dump(by_alias=False, exclude_unset=True)


def parse(content: dict[str, object], source: str) -> Recipe:
    """Check the values of a recipe; error messages begin with `source`, the name of the file.

    Raises:
        RecipeError: a value is wrong; the message gives its section and key.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()]
        raise RecipeError(f"{source}: {'; '.join(reasons)}") from None


def _load(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no recipe at {path}; give the path of a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path.name} is not TOML: {error}") from None


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, str | int | float | bool]:
    values: dict[str, str | int | float | bool] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            values |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, tuple | list):
            values |= _flat({str(number): each for number, each in enumerate(value)}, f"{prefix}{key}.")
        elif isinstance(value, str | int | float):
            values[prefix + key] = value
    return values
