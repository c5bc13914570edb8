"""GET /models/{model}/versions/{version}/files/{file}: downloads one file of a bundle for local computation."""

import asyncio
import hashlib
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Response

from diffeo.bundle.errors import BundleError
from diffeo.bundle.manifest import KNOWN_FILES, MANIFEST_NAME, SEAL_NAME
from diffeo.bundle.read import read_file, seal_of

from ..errors import FileNotInBundle, VersionRefused, listed
from ..model import Model
from ..repository.repository import Repository
from ..requests import ModelSelector
from ..settings import Settings
from .models import Name, Version
from .openapi import Document

MEDIA_TYPE: Final = "application/octet-stream"
FILES: Final = sorted({*KNOWN_FILES, MANIFEST_NAME, SEAL_NAME})
PROBLEM: Final[Document] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
RESPONSES: Final[dict[int | str, Document]] = {
    200: {
        "description": "The bytes of the file; ETag is their SHA-256",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "The file has not changed: If-None-Match names its ETag"},
    404: {"description": "The model, version or file does not exist", "content": PROBLEM},
    503: {"description": "The version was refused, or its files changed after it was loaded", "content": PROBLEM},
}

FileName = Annotated[
    str, Path(max_length=32, description="The name of a file of the bundle", json_schema_extra={"enum": FILES})
]
KnownTags = Annotated[str, Header(description="The ETag of an earlier response, which the client still has")]


def router(repository: Repository, settings: Settings) -> APIRouter:
    """The download route over one repository; no route if the settings forbid downloads."""
    routes = APIRouter(tags=["models"])
    if not settings.downloads:
        return routes

    @routes.get(
        "/models/{model}/versions/{version}/files/{file}",
        summary="One file of a bundle",
        response_class=Response,
        responses=RESPONSES,
    )
    async def fetch_file(model: Name, version: Version, file: FileName, if_none_match: KnownTags = "") -> Response:
        found = repository.find(ModelSelector(model, version))
        digest = _digest(found, file)
        headers = {"etag": f'"{digest}"', "cache-control": "no-cache"}
        if f'"{digest}"' in if_none_match:
            return Response(status_code=304, headers=headers)
        folder = settings.models / found.name / str(found.version)
        try:
            # The file is read for each request: the service needs its bytes for nothing else, so it does not keep them.
            content = await asyncio.to_thread(read_file, folder, file, digest)
        except BundleError as error:
            raise VersionRefused(
                f"{found.name} version {found.version} changed on disk after it was loaded: {error}"
            ) from None
        return Response(content, headers=headers, media_type=MEDIA_TYPE)

    return routes


def _digest(model: Model, file: str) -> str:
    entries = {str(name): entry.sha256 for name, entry in model.manifest.files.items()}
    known = {
        **entries,
        MANIFEST_NAME: model.digest,
        SEAL_NAME: hashlib.sha256(seal_of(model.digest)).hexdigest(),
    }
    # The name in the request is only a key of this dict. It never becomes part of a path.
    if file not in known:
        raise FileNotInBundle(f"{model.name} version {model.version} has no such file; it has {listed(sorted(known))}")
    return known[file]
