"""The bodies of requests and responses, as the OpenAPI document shows them.

The service parses requests with `diffeo.service.requests`, not with these classes. All names and bounds are its
constants.
"""

from collections.abc import Callable
from typing import Annotated, Final, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic_core import CoreSchema, core_schema

from ..answer import Reason
from ..requests import (
    MODEL_NAME,
    NUM_SAMPLES,
    ON_INVALID_DEFAULT,
    RETURN,
    SAMPLE_CHOICE,
    SEED,
    START,
    TEMPERATURE,
    TRANSFORM_CHOICE,
    VERSION,
    OnInvalid,
)
from ..settings import Precision


class OneOf(NamedTuple):
    """Marks a string that must be one of these values."""

    values: tuple[str, ...]

    def __get_pydantic_core_schema__(self, _: object, __: Callable[[object], CoreSchema]) -> CoreSchema:
        return core_schema.literal_schema(list(self.values))


FORWARD: Final = TRANSFORM_CHOICE["forward"]
INVERSE: Final = TRANSFORM_CHOICE["inverse"]

Row = Annotated[list[float | None], Field(min_length=1)]
ModelName = Annotated[str, Field(pattern=f"^{MODEL_NAME.pattern}$", examples=["moons"])]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    # A default_factory stays out of the schema: the field may be absent, which is not the same as null.
    model: ModelName = Field(
        default_factory=str, description="The model; may be left out if only one is served, or if one is the default"
    )
    version: Annotated[int, Field(ge=VERSION.minimum, le=VERSION.maximum)] = Field(
        default_factory=int, description="The version; the newest if left out"
    )
    precision: Annotated[str, OneOf(get_args(Precision))] = Field(
        default_factory=str, description="The precision of the computation; GET /models lists those of each version"
    )


class SampleBody(_Body):
    """Rows [start, start + num_samples) of the infinite sample that `seed` determines."""

    # The defaults stand inside Annotated, because the type of `default` allows None too.
    num_samples: Annotated[
        int,
        Field(
            NUM_SAMPLES.default,
            ge=NUM_SAMPLES.minimum,
            le=NUM_SAMPLES.maximum,
            description="Rows to draw",
            examples=[3],
        ),
    ]
    seed: Annotated[int, Field(ge=SEED.minimum, le=SEED.maximum)] = Field(
        default_factory=int,
        description="Determines the sample; if left out, the answer names a fresh one",
        examples=[7],
    )
    start: Annotated[
        int,
        Field(
            START.default,
            ge=START.minimum,
            le=START.maximum - NUM_SAMPLES.minimum,
            description="The number of the first row; for the next page, next_start of the page before",
        ),
    ]
    temperature: Annotated[float, Field(gt=TEMPERATURE.above, le=TEMPERATURE.maximum)] = Field(
        TEMPERATURE.default,
        description="Scales the noise of z; log_prob is then that of the base distribution at this temperature",
    )
    return_: list[Annotated[str, OneOf(SAMPLE_CHOICE.known)]] = Field(
        [*SAMPLE_CHOICE.default], alias=RETURN, min_length=1, description="The outputs"
    )


class LogProbBody(_Body):
    """Rows of x whose log density is wanted. The answer to a row with a missing value (null) is null."""

    x: list[Row] = Field(examples=[[[0.3, -0.4], [1.0, 0.5]]])
    on_invalid: OnInvalid = ON_INVALID_DEFAULT


class ForwardBody(_Body):
    """Rows of x to transform to z."""

    direction: Literal["forward"]
    x: list[Row] = Field(examples=[[[0.3, -0.4]]])
    on_invalid: OnInvalid = ON_INVALID_DEFAULT
    return_: list[Annotated[str, OneOf(FORWARD.known)]] = Field([*FORWARD.default], alias=RETURN, min_length=1)


class InverseBody(_Body):
    """Rows of z to transform to x."""

    direction: Literal["inverse"]
    z: list[Row] = Field(examples=[[[0.1, -1.2]]])
    on_invalid: OnInvalid = ON_INVALID_DEFAULT
    return_: list[Annotated[str, OneOf(INVERSE.known)]] = Field([*INVERSE.default], alias=RETURN, min_length=1)


class TransformBody(RootModel[Annotated[ForwardBody | InverseBody, Field(discriminator="direction")]]):
    """Rows to transform: from x to z if forward, from z to x if inverse."""


class InvalidRow(BaseModel):
    """A row that has no finite answer."""

    row: int
    reason: Reason


class _Answer(BaseModel):
    model: str
    version: int
    precision: Precision | None = Field(None, description="Present only if it is not the bundle's own")
    invalid_rows: list[InvalidRow] = Field([], description="Present only if a row has no finite answer")


class SampleAnswer(_Answer):
    """The rows drawn. The same seed and start give the same rows, whatever the size of the pages."""

    columns: list[str]
    seed: int
    start: int
    next_start: int
    temperature: float | None = None
    x: list[Row | None] | None = None
    log_prob: list[float | None] | None = Field(None, description="Nats per row")
    z: list[Row] | None = None


class LogProbAnswer(_Answer):
    """The exact log density of each row."""

    log_prob: list[float | None] = Field(description="Nats per row, in the units of x")


class TransformAnswer(_Answer):
    """The transformed rows."""

    z: list[Row | None] | None = None
    x: list[Row | None] | None = None
    log_abs_det_jacobian: list[float | None] | None = Field(None, description="Of the direction of the request")


class FieldError(BaseModel):
    """One wrong field of the request."""

    pointer: str
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError]
    request_id: str
