"""Describes every path below /v2 for the OpenAPI document."""

from typing import Any, Final

from ...codecs.v2.signature import DTYPES
from .problems import STATUSES

# JSON documents of no fixed shape.
Document = dict[str, Any]

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
REFERENCE: Final = "#/components/schemas/"
TEXT: Final[Document] = {"type": "string"}
COUNT: Final[Document] = {"type": "integer", "minimum": 0}
FLAG: Final[Document] = {"type": "boolean"}
PARAMETERS: Final[Document] = {"type": "object"}
SHAPE: Final[Document] = {"type": "array", "items": COUNT}


def _object(required: Document, optional: Document | None = None) -> Document:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": [*required]}


def _list(items: Document) -> Document:
    return {"type": "array", "items": items}


TENSOR: Final = {"name": TEXT, "datatype": TEXT, "shape": SHAPE}
DATA: Final = {"data": {"type": "array"}, "parameters": PARAMETERS}
METADATA: Final = _list(_object({"name": TEXT, "datatype": TEXT, "shape": _list({"type": "integer", "minimum": -1})}))
SCHEMAS: Final[Document] = {
    "V2Error": _object({"error": TEXT}),
    "V2Server": _object({"name": TEXT, "version": TEXT, "extensions": _list(TEXT)}),
    "V2Health": _object({"live": FLAG, "ready": FLAG}),
    "V2Models": _object({"models": _list(TEXT)}),
    "V2Ready": _object({"name": TEXT, "ready": FLAG}),
    "V2Metadata": _object(
        {"name": TEXT, "versions": _list(TEXT), "platform": TEXT, "inputs": METADATA, "outputs": METADATA}
    ),
    "V2Configuration": _object({"name": TEXT, "platform": TEXT, "backend": TEXT, "max_batch_size": COUNT}),
    "V2Statistics": _object({"model_stats": _list(_object({"name": TEXT, "version": TEXT, "inference_count": COUNT}))}),
    "V2Index": _list(
        _object({"name": TEXT, "version": TEXT, "state": {"enum": ["READY", "UNAVAILABLE", "LOADING"]}, "reason": TEXT})
    ),
    "V2IndexRequest": _object({}, {"ready": FLAG}),
    "V2InferRequest": _object(
        {"inputs": _list(_object({**TENSOR, "datatype": {"enum": sorted(DTYPES)}}, DATA))},
        {"id": TEXT, "parameters": PARAMETERS, "outputs": _list(_object({"name": TEXT}, {"parameters": PARAMETERS}))},
    ),
    "V2InferAnswer": _object(
        {"model_name": TEXT, "model_version": TEXT, "outputs": _list(_object(TENSOR, DATA))},
        {"id": TEXT, "parameters": PARAMETERS},
    ),
}
MODEL: Final = "/v2/models/{model}"
VERSION: Final = MODEL + "/versions/{version}"
REPOSITORY: Final = "/v2/repository"
# By path, the schema of the answer to GET and a summary.
ANSWERS: Final = {
    "/v2": ("V2Server", "Name, version and extensions of the server"),
    "/v2/health/live": ("V2Health", "The process answers"),
    "/v2/health/ready": ("V2Health", "Every model is served"),
    "/v2/models": ("V2Models", "The names of all models of the protocol"),
    "/v2/models/stats": ("V2Statistics", "The statistics of every model"),
}
ANSWERS_OF_MODELS: Final = {
    "": ("V2Metadata", "The tensors of a model"),
    "/ready": ("V2Ready", "A model is served"),
    "/config": ("V2Configuration", "The configuration of a model"),
    "/stats": ("V2Statistics", "The statistics of a model"),
}
BODY_STATUSES: Final = ("400", "413", "415")
MODEL_STATUSES: Final = ("404", "503")


def paths() -> Document:
    """Every path below /v2 with its operations. Their schemas are SCHEMAS."""
    found: Document = {}
    for path, (schema, summary) in ANSWERS.items():
        found[path] = {"get": _operation(path, summary, _answer(schema))}
    found["/v2/health/ready"]["get"]["responses"]["503"] = {
        **_answer("V2Health"),
        "description": "A model is not served",
    }
    for base in (MODEL, VERSION):
        for suffix, (schema, summary) in ANSWERS_OF_MODELS.items():
            found[base + suffix] = {"get": _operation(base + suffix, summary, _answer(schema), *MODEL_STATUSES)}
        found[f"{base}/infer"] = {"post": _infer(f"{base}/infer")}
    body = {JSON: {"schema": _reference("V2IndexRequest")}}
    index = _operation(f"{REPOSITORY}/index", "Every version, served or refused", _answer("V2Index"), *BODY_STATUSES)
    found[f"{REPOSITORY}/index"] = {"post": {**index, "requestBody": {"content": body}}}
    for verb in ("load", "unload"):
        path = f"{REPOSITORY}/models/{{model}}/{verb}"
        operation = _operation(path, "Always an error: the repository follows its folder", None, "400", "413")
        found[path] = {"post": operation}
    return found


def _infer(path: str) -> Document:
    statuses = {str(int(status)) for status in STATUSES.values()} - {"401", "403", "406", "422", "500"}
    operation = _operation(path, "Compute the output tensors", _answer("V2InferAnswer"), *sorted(statuses))
    binary = {BYTES: {"schema": {"type": "string", "format": "binary"}}}
    operation["responses"]["200"]["content"] |= binary
    body = {JSON: {"schema": _reference("V2InferRequest")}} | binary
    return {**operation, "requestBody": {"content": body, "required": True}}


def _operation(path: str, summary: str, answer: Document | None, *statuses: str) -> Document:
    error = {"content": {JSON: {"schema": _reference("V2Error")}}}
    responses = {} if answer is None else {"200": answer}
    responses |= {status: {"description": "An error of the protocol", **error} for status in statuses}
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return {
        "tags": ["Open Inference Protocol"],
        "summary": summary,
        "operationId": path[1:].replace("{", "").replace("}", "").replace("/", "_"),
        "parameters": [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names],
        "responses": responses,
    }


def _answer(schema: str) -> Document:
    return {"description": "The answer", "content": {JSON: {"schema": _reference(schema)}}}


def _reference(schema: str) -> Document:
    return {"$ref": REFERENCE + schema}
