"""The OpenAPI document and the request parser agree: a body is valid for both or for neither."""

import json
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter, ValidationError

from diffeo.service.codecs import CODECS
from diffeo.service.requests import (
    LOG_PROB_PARAMETERS,
    MODEL_PARAMETERS,
    SAMPLE_PARAMETERS,
    TRANSFORM_PARAMETERS,
    Limits,
)
from diffeo.service.routes.openapi import OPERATIONS, problem_statuses
from diffeo.service.routes.problems import PROBLEM_TYPES
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

ROWS = [[1, 2], [3, 4]]
TABLES: list[object] = [
    [[1, None]], [], [[]], [1, 2], [[[1, 2]]], [["1", 2]], [[True, 2]], None, {}, "x"
]  # fmt: skip
BODIES: dict[str, list[object]] = {
    "/sample": [
        {},
        {"model": "affine2d", "version": 1, "num_samples": 2, "seed": 0, "start": 5, "temperature": 0.5},
        *({"return": value} for value in (["x"], ["x", "log_prob", "z"], [], ["y"], "x", None, [1], ["x", "x"])),
        *({"num_samples": value} for value in (1, 0, -1, 1.0, "1", True, None, [1])),
        *({"seed": value} for value in (0, 2**53 - 1, 2**53, -1, 7.0, "7", False, None)),
        *({"start": value} for value in (0, 2**53 - 2, 2**53, -1, 0.0, "0", None)),
        *({"temperature": value} for value in (1, 0.1, 10, 10.5, 0, -1, "1", True, None)),
        *({"model": value} for value in ("affine2d", "", "a b", "../x", 1, None, ["affine2d"])),
        *({"version": value} for value in (1, 0, -1, 1.0, "1", True, None, 2**31)),
        {"more": 1},
        {"x": ROWS},
        {"return_": ["x"]},
        [],
        "text",
        None,
    ],
    "/log_prob": [
        {"x": ROWS},
        *({"x": table} for table in TABLES),
        *({"x": ROWS, "on_invalid": value} for value in ("null", "error", "skip", None, True)),
        {},
        {"z": ROWS},
        {"x": ROWS, "z": ROWS},
        {"x": ROWS, "seed": 1},
        {"x": ROWS, "return": ["log_prob"]},
        {"x": ROWS, "model": "affine2d", "version": 1},
        {"x": ROWS, "model": None},
    ],
    "/transform": [
        {"direction": "forward", "x": ROWS},
        {"direction": "inverse", "z": ROWS},
        {"direction": "inverse", "z": [[None, 1]], "on_invalid": "null", "model": "affine2d", "version": 1},
        *({"direction": value, "x": ROWS} for value in ("inverse", "backward", None, True, ["forward"])),
        *({"direction": "forward", "x": ROWS, "return": value} for value in (["z"], ["z", "log_abs_det_jacobian"])),
        *({"direction": "forward", "x": ROWS, "return": value} for value in ([], ["x"], "z", None)),
        *({"direction": "inverse", "z": ROWS, "return": value} for value in (["x"], ["z"])),
        {"direction": "forward", "z": ROWS},
        {"direction": "forward", "x": None},
        {"direction": "forward", "x": ROWS, "z": ROWS},
        {"direction": "forward", "x": ROWS, "z": None},
        {"direction": "forward"},
        {"x": ROWS},
        {"direction": "forward", "x": ROWS, "seed": 1},
    ],
}
CASES = [(path, json.dumps(body)) for path, bodies in BODIES.items() for body in bodies]


def documented(path: str, text: str) -> bool:
    try:
        TypeAdapter(OPERATIONS[path][0]).validate_json(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("path", "text"), CASES, ids=[f"{path} {text[:60]}" for path, text in CASES])
def test_a_body_is_accepted_exactly_if_the_document_allows_it(app: App, path: str, text: str) -> None:
    response = app.post_text(path, text)
    assert response.status_code in {200, 400, 422}
    assert (response.status_code == 200) == documented(path, text)


def test_the_table_above_has_valid_and_invalid_bodies_for_every_operation() -> None:
    for path in OPERATIONS:
        answers = [documented(path, text) for case, text in CASES if case == path]
        assert answers.count(True) >= 5
        assert answers.count(False) >= 5


@pytest.mark.parametrize("path", OPERATIONS)
def test_the_answer_has_the_form_that_the_document_describes(app: App, path: str) -> None:
    body = next(text for case, text in CASES if case == path and documented(case, text))
    content = app.post_text(path, body).json()
    answer = OPERATIONS[path][1].model_validate(content, extra="forbid")
    assert answer.model_dump(include=set(content)) == content


def test_the_document_names_every_problem_status_and_every_format(app: App) -> None:
    statuses = {str(int(kind.status)) for kind in PROBLEM_TYPES.values()} - {"500"}
    assert set(problem_statuses()) == statuses
    document = app.get("/openapi.json").json()
    for path in OPERATIONS:
        operation = document["paths"][path]["post"]
        assert set(operation["responses"]) == statuses | {"200"}
        assert set(operation["requestBody"]["content"]) == {codec.media_type for codec in CODECS}
        assert operation["parameters"][0]["schema"]["enum"] == [codec.name for codec in CODECS]


Field = dict[str, object]
# The other fields that a request needs, so that only the tested field can be wrong.
REQUIRED: dict[str, dict[str, object]] = {
    "SampleBody": {"seed": 1},
    "LogProbBody": {"x": ROWS},
    "ForwardBody": {"direction": "forward", "x": ROWS},
    "InverseBody": {"direction": "inverse", "z": ROWS},
}
PATHS = {"SampleBody": "/sample", "LogProbBody": "/log_prob", "ForwardBody": "/transform", "InverseBody": "/transform"}
SMALL = Limits(max_rows=3, max_num_samples=5)


def at_each_bound(field: Field) -> Iterator[tuple[object, bool]]:
    """Values at each bound of a field and beyond it, and whether the bound allows them."""
    match field:
        case {"minimum": int(low), "maximum": int(high)}:
            yield from ((low - 1, False), (low, True), (high, True), (high + 1, False))
        case {"exclusiveMinimum": float(low), "maximum": float(high)}:
            yield from ((low, False), (low + 1e-9, True), (high, True), (high + 1e-9, False))
        case {"enum": list(values)}:
            yield from ((value, True) for value in values)
            yield "no such value", False
        case {"const": str(value)}:
            yield from ((value, True), ("no such value", False))
        case {"maxItems": int(most)}:
            yield from (([[1, 2]] * most, True), ([[1, 2]] * (most + 1), False))
        case {"minItems": 1, "items": {"enum": list(values)}}:
            yield from (([], False), (values, True), (["no such value"], False))
            yield from (([value], True) for value in values)
        case {"pattern": _}:
            yield from (("A" * 64, True), ("A" * 65, False), ("_", False), ("a-_9", True), ("a b", False))
        case _:
            raise AssertionError(f"the test knows no bound of {field}")


@pytest.mark.parametrize("name", PATHS)
def test_every_bound_of_the_document_is_the_bound_of_the_parser(name: str) -> None:
    settings = Settings(models=affine.DATA, max_rows=SMALL.max_rows, max_num_samples=SMALL.max_num_samples)
    with App(settings) as app:
        fields: dict[str, Field] = app.get("/openapi.json").json()["components"]["schemas"][name]["properties"]
        for field, schema in fields.items():
            for value, is_allowed in at_each_bound(schema):
                response = app.post(PATHS[name], json={**REQUIRED[name], field: value})
                # A name that fits and is not served is 404: the parser has accepted it.
                assert (response.status_code not in {413, 422}) == is_allowed, (field, value, response.text)


def test_the_document_and_the_parser_have_the_same_parameters_and_defaults(app: App) -> None:
    schemas = app.get("/openapi.json").json()["components"]["schemas"]
    transform = MODEL_PARAMETERS | TRANSFORM_PARAMETERS
    names = {
        "SampleBody": MODEL_PARAMETERS | SAMPLE_PARAMETERS,
        "LogProbBody": MODEL_PARAMETERS | LOG_PROB_PARAMETERS | {"x"},
        "ForwardBody": transform | {"x"},
        "InverseBody": transform | {"z"},
    }
    for name, expected in names.items():
        assert set(schemas[name]["properties"]) == expected
        defaults = {key: field["default"] for key, field in schemas[name]["properties"].items() if "default" in field}
        explicit = app.post(PATHS[name], json={**REQUIRED[name], **defaults})
        assert explicit.json() == app.post(PATHS[name], json=REQUIRED[name]).json()


def test_every_reference_of_the_document_resolves(app: App) -> None:
    document = app.get("/openapi.json").json()
    text = json.dumps(document)
    references = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert references
    for reference in references:
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
    identifiers = [entry["operationId"] for methods in document["paths"].values() for entry in methods.values()]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize("path", OPERATIONS)
def test_the_examples_of_the_document_are_valid(app: App, path: str) -> None:
    document = app.get("/openapi.json").json()
    schema = document["components"]["schemas"][OPERATIONS[path][0].__name__]
    for entry in schema.get("oneOf", [schema]):
        body = document["components"]["schemas"][entry["$ref"].rsplit("/", 1)[1]] if "$ref" in entry else entry
        names = [name for name in body["properties"] if name != "model"]
        example = {
            name: (body["properties"][name].get("examples") or [body["properties"][name].get("const")])[0]
            for name in names
            if body["properties"][name].keys() & {"examples", "const"}
        }
        assert app.post_text(path, json.dumps(example)).status_code == 200
