"""POST /v2/repository/...: which versions there are, and why some are not served; they change on disk alone."""

from typing import Final

import orjson

from ...errors import InvalidRequest, MalformedBody
from ...model import Model
from ...repository.repository import RefusedVersion, Repository
from .protocol_model import PROTOCOL_MODELS, ProtocolModel

MAX_BYTES: Final = 64 * 1024
NO_LOADING: Final = (
    "models are not loaded or unloaded by call: put NAME/VERSION/ into the repository's folder, or take it away"
)


def index(repository: Repository, body: bytes) -> list[dict[str, object]]:
    """Every version of every model; those that are served where the body says so."""
    ready = _ready(body)
    return [
        _entry(face, name, number, entry)
        for name, found in repository.models.items()
        for number, entry in found.items()
        for face in PROTOCOL_MODELS
        if not ready or isinstance(entry, Model)
    ]


def _ready(body: bytes) -> bool:
    if not body.strip():
        return False
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedBody("the body is not JSON; send none, or an object") from None
    if not isinstance(given, dict) or not isinstance(given.get("ready", False), bool):
        raise InvalidRequest('the body must be an object whose only field, "ready", is true or false')
    return bool(given.get("ready", False))


def _entry(face: ProtocolModel, name: str, number: int, entry: Model | RefusedVersion) -> dict[str, object]:
    refused = isinstance(entry, RefusedVersion)
    return {
        "name": face.name(name),
        "version": str(number),
        "state": "UNAVAILABLE" if refused else "READY",
        "reason": entry.reason if isinstance(entry, RefusedVersion) else "",
    }
