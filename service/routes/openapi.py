"""Builds the OpenAPI document that /docs shows.

FastAPI describes the GET routes. This module adds the three operations.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ..codecs import CODECS
from ..requests import NUM_SAMPLES, ROWS_NAMES, Limits
from ..security import api_description
from ..security.access_policy import AccessPolicy
from .openapi_schemas import (
    LogProbAnswer,
    LogProbBody,
    ProblemDocument,
    SampleAnswer,
    SampleBody,
    TransformAnswer,
    TransformBody,
)
from .problems import PROBLEM_TYPES

REFERENCE: Final = "#/components/schemas/{model}"
OPERATIONS: Final[dict[str, tuple[type[BaseModel], type[BaseModel], str]]] = {
    "/sample": (SampleBody, SampleAnswer, "Draw rows"),
    "/log_prob": (LogProbBody, LogProbAnswer, "Exact log density of rows"),
    "/transform": (TransformBody, TransformAnswer, "Transform rows from x to z or from z to x"),
}

FASTAPI_ERRORS: Final = ("HTTPValidationError", "ValidationError")

# JSON documents of no fixed shape, as FastAPI's functions take and return them.
Document = dict[str, Any]


def describe(
    app: FastAPI, limits: Limits, protocol: Document, schemas_of_protocol: Document, policy: AccessPolicy | None = None
) -> Document:
    """The OpenAPI document of a service.

    Args:
        app: its GET routes.
        limits: bounds that the settings give to the number of rows.
        protocol: the paths below /v2.
        schemas_of_protocol: the schemas of their answers.
        policy: the scope of an API key that each path needs; None if the service has no keys.
    """
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(_schemas(limits) | schemas_of_protocol)
    # FastAPI's own form of an error in a path, which the service answers with a problem document.
    for name in FASTAPI_ERRORS:
        schemas.pop(name, None)
    operations = {path: {"post": _operation(path, *entry)} for path, entry in OPERATIONS.items()}
    _describe_problems_of_paths(document["paths"])
    document["paths"] = {**operations, **document["paths"], **protocol}
    api_description.describe(document, policy)
    return document


def _describe_problems_of_paths(paths: Document) -> None:
    problem = {"application/problem+json": {"schema": _reference(ProblemDocument)}}
    for path, methods in paths.items():
        if "{" not in path:
            continue
        for operation in methods.values():
            operation["responses"]["422"] = {"description": "A part of the path has a wrong value", "content": problem}
            operation["responses"].setdefault("404", {"description": "It does not exist", "content": problem})


def problem_statuses() -> dict[str, str]:
    """By status code, what a problem with it means; the service's own failures are left out."""
    titles: dict[str, list[str]] = {}
    for problem in PROBLEM_TYPES.values():
        if problem.status != HTTPStatus.INTERNAL_SERVER_ERROR:
            titles.setdefault(str(int(problem.status)), []).append(problem.title)
    return {status: "; ".join(texts) for status, texts in sorted(titles.items())}


def _schemas(limits: Limits) -> Document:
    models: list[tuple[type[BaseModel], Literal["validation"]]] = [(ProblemDocument, "validation")]
    for body, answer, _ in OPERATIONS.values():
        models += [(body, "validation"), (answer, "validation")]
    _, definitions = models_json_schema(models, ref_template=REFERENCE)
    schemas: Document = definitions["$defs"]
    for name, field in _fields(schemas):
        if name in ROWS_NAMES:
            field["maxItems"] = limits.max_rows
        if name == NUM_SAMPLES.name:
            field["maximum"] = min(field["maximum"], limits.max_num_samples)
    return schemas


def _fields(schemas: Document) -> Iterator[tuple[str, Document]]:
    for name, schema in schemas.items():
        if name.endswith("Body"):
            yield from schema.get("properties", {}).items()


def _operation(path: str, body: type[BaseModel], answer: type[BaseModel], summary: str) -> Document:
    problem = {"application/problem+json": {"schema": _reference(ProblemDocument)}}
    problems = {status: {"description": text, "content": problem} for status, text in problem_statuses().items()}
    return {
        "tags": ["density"],
        "summary": summary,
        "description": body.__doc__,
        "operationId": path.strip("/"),
        "parameters": [
            {
                "name": "format",
                "in": "query",
                "description": "Format of the response; overrides Accept",
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
