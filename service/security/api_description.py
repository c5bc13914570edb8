"""Adds to the OpenAPI document which key each path needs, and the answers of the checks before every endpoint."""

from typing import Any, Final

from .access_policy import AccessPolicy
from .api_keys import KeyScope

# A JSON document of no fixed shape.
Document = dict[str, Any]

SCHEMES: Final[Document] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "X-API-Key: KEY"},
}
PROBLEM: Final[Document] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
# Below /v2 an error has the form of the Open Inference Protocol.
PROTOCOL_ERROR: Final[Document] = {"application/json": {"schema": {"$ref": "#/components/schemas/V2Error"}}}
UNKNOWN_HOST: Final[Document] = {"421": {"description": "The service does not answer under this name"}}
KEY_ANSWERS: Final[Document] = {
    "401": {"description": "An API key is needed"},
    "403": {"description": "The API key does not allow this"},
}


def describe(document: Document, policy: AccessPolicy | None) -> None:
    """Add the security schemes and answers to a document.

    Args:
        document: has its paths and the schema ProblemDocument.
        policy: the scope that each path needs; None if the service has no API keys.
    """
    if policy is not None:
        document.setdefault("components", {})["securitySchemes"] = SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = None if policy is None else policy.required_scope(method.upper(), path)
            _describe_operation(operation, scope, PROTOCOL_ERROR if path.startswith("/v2") else PROBLEM)


def _describe_operation(operation: Document, scope: KeyScope | None, content: Document) -> None:
    answers = UNKNOWN_HOST if scope is None else UNKNOWN_HOST | KEY_ANSWERS
    for status, answer in answers.items():
        operation["responses"].setdefault(status, {**answer, "content": content})
    if scope is not None:
        operation["security"] = [{name: [str(scope)]} for name in SCHEMES]
