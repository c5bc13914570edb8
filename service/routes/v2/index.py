"""POST /v2/repository/index: lists every version, and why some are not served.

Clients cannot load or unload models: the repository follows its folder on disk.
"""

from typing import Final

import orjson

from ...errors import InvalidRequest, MalformedBody
from ...model import Model
from ...repository.repository import RefusedVersion, Repository
from .protocol_model import PROTOCOL_MODELS, ProtocolModel

MAX_BYTES: Final = 64 * 1024
NO_LOADING: Final = (
    "requests cannot load or unload a model: add the folder NAME/VERSION/ to the repository's folder, or delete it"
)


def index(repository: Repository, body: bytes) -> list[dict[str, object]]:
    """Every version of every model; only the served versions if the body is `{"ready": true}`."""
    only_ready = _only_ready(body)
    return [
        _entry(kind, name, number, entry)
        for name, versions in repository.models.items()
        for number, entry in versions.items()
        for kind in PROTOCOL_MODELS
        if not only_ready or isinstance(entry, Model)
    ]


def _only_ready(body: bytes) -> bool:
    if not body.strip():
        return False
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedBody("the body is not JSON; send no body, or an object") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("ready", False), bool):
        raise InvalidRequest('the body must be an object in which the optional "ready" is true or false')
    return bool(fields.get("ready", False))


def _entry(kind: ProtocolModel, name: str, number: int, entry: Model | RefusedVersion) -> dict[str, object]:
    return {
        "name": kind.name(name),
        "version": str(number),
        "state": _state(entry),
        "reason": entry.reason if isinstance(entry, RefusedVersion) else "",
    }


def _state(entry: Model | RefusedVersion) -> str:
    if isinstance(entry, RefusedVersion):
        return "LOADING" if entry.is_loading else "UNAVAILABLE"
    return "READY"
