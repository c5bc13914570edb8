"""The document of /docs and the parser agree: what one takes the other takes, and nothing else."""

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from diffeo.service.codecs import CODECS
from diffeo.service.routes.openapi import OPERATIONS, PROBLEMS
from diffeo.service.routes.problems import PROBLEM_TYPES
from tests.given.servers.asgi_app import App

ROWS = [[1, 2], [3, 4]]
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
        *(
            {"x": value}
            for value in ([[1, None]], [], [[]], [1, 2], [[[1, 2]]], [["1", 2]], [[True, 2]], None, {}, "x")
        ),
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
def test_a_body_is_taken_exactly_when_the_document_allows_it(app: App, path: str, text: str) -> None:
    response = app.post_text(path, text)
    assert response.status_code in {200, 400, 422}
    assert (response.status_code == 200) == documented(path, text)


def test_the_table_above_holds_both_kinds_for_every_call() -> None:
    for path in OPERATIONS:
        answers = [documented(path, text) for case, text in CASES if case == path]
        assert answers.count(True) >= 5
        assert answers.count(False) >= 5


@pytest.mark.parametrize("path", OPERATIONS)
def test_the_answer_is_the_one_that_the_document_describes(app: App, path: str) -> None:
    body = next(text for case, text in CASES if case == path and documented(case, text))
    content = app.post_text(path, body).json()
    answer = OPERATIONS[path][1].model_validate(content, extra="forbid")
    assert answer.model_dump(include=set(content)) == content


def test_the_document_names_every_refusal_and_every_format(app: App) -> None:
    statuses = {str(int(kind.status)) for kind in PROBLEM_TYPES.values()} - {"500"}
    assert set(PROBLEMS) == statuses
    document = app.get("/openapi.json").json()
    for path in OPERATIONS:
        operation = document["paths"][path]["post"]
        assert set(operation["responses"]) == statuses | {"200"}
        assert set(operation["requestBody"]["content"]) == {codec.media_type for codec in CODECS}
        assert operation["parameters"][0]["schema"]["enum"] == [codec.name for codec in CODECS]


def test_every_reference_of_the_document_leads_somewhere(app: App) -> None:
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
