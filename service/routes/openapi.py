"""The OpenAPI description of the three operations that /docs shows; `service.requests` parses the requests."""

from typing import Annotated, Any, Final, Literal, get_args

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.json_schema import models_json_schema

from ..codecs import CODECS
from ..settings import Precision

Row = Annotated[list[float | None], Field(min_length=1)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", examples=["moons"])]
OnInvalid = Literal["null", "error"]
REFERENCE: Final = "#/components/schemas/{model}"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    # A default_factory stays out of the schema: these may be absent, which is not the same as null.
    model: ModelName = Field(
        default_factory=str, description="Which model; needed when several are served and none is default"
    )
    version: Annotated[int, Field(ge=1, lt=2**31)] = Field(
        default_factory=int, description="Which version; the newest unless named"
    )
    precision: str = Field(
        default_factory=str,
        description="What to compute in, of what GET /models lists; named again in the answer",
        json_schema_extra={"enum": list(get_args(Precision))},
    )


class SampleBody(_Body):
    """Rows [start, start + num_samples) of the endless sample that `seed` names."""

    num_samples: Annotated[int, Field(ge=1)] = Field(1, description="Rows to draw", examples=[3])
    seed: Annotated[int, Field(ge=0, lt=2**53)] = Field(
        default_factory=int, description="Names the sample; drawn and answered when absent", examples=[7]
    )
    start: Annotated[int, Field(ge=0, lt=2**53)] = Field(0, description="First row; next_start of the page before")
    temperature: Annotated[float, Field(gt=0, le=10)] = Field(1.0, description="Scales z; log_prob is for N(0, T^2 I)")
    return_: list[Literal["x", "log_prob", "z"]] = Field(["x"], alias="return", min_length=1)


class LogProbBody(_Body):
    """Rows to score. A row with a value that is not finite (null) is answered with null and named in invalid_rows."""

    x: list[Row] = Field(examples=[[[0.3, -0.4], [1.0, 0.5]]])
    on_invalid: OnInvalid = "null"


class ForwardBody(_Body):
    """Rows of x to send to z."""

    direction: Literal["forward"]
    x: list[Row] = Field(examples=[[[0.3, -0.4]]])
    on_invalid: OnInvalid = "null"
    return_: list[Literal["z", "log_abs_det_jacobian"]] = Field(
        ["z", "log_abs_det_jacobian"], alias="return", min_length=1
    )


class InverseBody(_Body):
    """Rows of z to send to x."""

    direction: Literal["inverse"]
    z: list[Row] = Field(examples=[[[0.1, -1.2]]])
    on_invalid: OnInvalid = "null"
    return_: list[Literal["x", "log_abs_det_jacobian"]] = Field(
        ["x", "log_abs_det_jacobian"], alias="return", min_length=1
    )


class TransformBody(RootModel[Annotated[ForwardBody | InverseBody, Field(discriminator="direction")]]):
    """Rows to send through the flow: x to z when forward, z to x when inverse."""


class InvalidRow(BaseModel):
    """A row without an answer."""

    row: int
    reason: Literal["non_finite_input", "non_finite_output"]


class _Answer(BaseModel):
    model: str
    version: int
    precision: Precision | None = Field(None, description="Only there when it is not the bundle's own")
    invalid_rows: list[InvalidRow] = Field([], description="Only there when a row has no answer")


class SampleAnswer(_Answer):
    """Rows drawn; the same seed and start give the same rows, whatever the paging."""

    columns: list[str]
    seed: int
    start: int
    next_start: int
    temperature: float | None = None
    x: list[Row | None] | None = None
    log_prob: list[float | None] | None = Field(None, description="Nats per row")
    z: list[Row] | None = None


class LogProbAnswer(_Answer):
    """Exact log densities."""

    log_prob: list[float | None] = Field(description="Nats per row, in the units of x")


class TransformAnswer(_Answer):
    """Rows on the other side of the flow."""

    z: list[Row | None] | None = None
    x: list[Row | None] | None = None
    log_abs_det_jacobian: list[float | None] | None = Field(None, description="Of the direction that was taken")


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


OPERATIONS: Final[dict[str, tuple[type[BaseModel], type[BaseModel], str]]] = {
    "/sample": (SampleBody, SampleAnswer, "Draw rows"),
    "/log_prob": (LogProbBody, LogProbAnswer, "Exact log density of rows"),
    "/transform": (TransformBody, TransformAnswer, "Send rows through the flow, either way"),
}
PROBLEMS: Final = {
    "400": "The body is not what it claims to be",
    "404": "No such model or version",
    "406": "The format asked for cannot carry the answer",
    "413": "The body is above the limit",
    "415": "The format of the body is not read here",
    "422": "A value does not fit; errors name the places",
    "429": "Too many rows wait already; Retry-After says when to come back",
    "503": "The version is on disk, and its bundle was refused",
    "504": "The answer was not there at the deadline",
}

# JSON documents of no fixed shape, as FastAPI's own functions take and give them.
Document = dict[str, Any]


def describe(app: FastAPI) -> Document:
    """The OpenAPI document: FastAPI's own for the GET routes, the three verbs beside them."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    kinds: list[tuple[type[BaseModel], Literal["validation"]]] = [(ProblemDocument, "validation")]
    for body, answer, _ in OPERATIONS.values():
        kinds += [(body, "validation"), (answer, "validation")]
    _, definitions = models_json_schema(kinds, ref_template=REFERENCE)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(definitions["$defs"])
    verbs = {path: {"post": _operation(path, *entry)} for path, entry in OPERATIONS.items()}
    document["paths"] = {**verbs, **document["paths"]}
    return document


def _operation(path: str, body: type[BaseModel], answer: type[BaseModel], summary: str) -> Document:
    problems = {
        status: {"description": text, "content": {"application/problem+json": {"schema": _reference(ProblemDocument)}}}
        for status, text in PROBLEMS.items()
    }
    return {
        "tags": ["density"],
        "summary": summary,
        "description": body.__doc__,
        "operationId": path.strip("/"),
        "parameters": [
            {
                "name": "format",
                "in": "query",
                "description": "Format of the answer; overrides Accept",
                "schema": {"type": "string", "enum": [codec.name for codec in CODECS]},
            }
        ],
        "requestBody": {"content": _content(body), "required": True},
        "responses": {"200": {"description": answer.__doc__, "content": _content(answer)}, **problems},
    }


def _content(model: type[BaseModel]) -> Document:
    binary = {"schema": {"type": "string", "format": "binary"}}
    others = {codec.media_type: binary for codec in CODECS if codec.name != "json"}
    return {"application/json": {"schema": _reference(model)}, **others}


def _reference(model: type[BaseModel]) -> Document:
    return {"$ref": REFERENCE.format(model=model.__name__)}
