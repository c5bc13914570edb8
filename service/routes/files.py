"""GET /models/{model}/versions/{version}/files/{file}: a bundle as it lies on disk, for who computes it elsewhere."""

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
PROBLEM: Final[Document] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
RESPONSES: Final[dict[int | str, Document]] = {
    200: {
        "description": "Its bytes; ETag is their SHA-256",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "Still the file that If-None-Match names"},
    404: {"description": "No such model, version or file", "content": PROBLEM},
    503: {"description": "The bundle was refused, or is no longer what was loaded", "content": PROBLEM},
}

FileName = Annotated[str, Path(max_length=32, description="A file of the bundle", json_schema_extra={"enum": FILES})]
Known = Annotated[str, Header(description="What the client has: the ETag of an earlier answer")]


def router(repository: Repository, settings: Settings) -> APIRouter:
    """The route over one repository; none where the settings allow no downloads."""
    routes = APIRouter(tags=["models"])
    if not settings.downloads:
        return routes

    @routes.get(
        "/models/{model}/versions/{version}/files/{file}",
        summary="One file of a bundle",
        response_class=Response,
        responses=RESPONSES,
    )
    async def fetch_file(model: Name, version: Version, file: FileName, if_none_match: Known = "") -> Response:
        found = repository.find(ModelSelector(model, version))
        digest = _digest(found, file)
        headers = {"etag": f'"{digest}"', "cache-control": "no-cache"}
        if f'"{digest}"' in if_none_match:
            return Response(status_code=304, headers=headers)
        folder = settings.models / found.name / str(found.version)
        try:
            # Read again and not kept: the bytes of a model that is loaded are of no other use.
            content = await asyncio.to_thread(read_file, folder, file, digest)
        except BundleError as error:
            raise VersionRefused(f"{found.name} version {found.version} has changed on disk: {error}") from None
        return Response(content, headers=headers, media_type=MEDIA_TYPE)

    return routes


def _digest(model: Model, file: str) -> str:
    entries = {str(name): entry.sha256 for name, entry in model.manifest.files.items()}
    known = {
        **entries,
        MANIFEST_NAME: model.digest,
        SEAL_NAME: hashlib.sha256(seal_of(model.digest)).hexdigest(),
    }
    # A name from a request is only ever a key, so no path is made of it.
    if file not in known:
        raise FileNotInBundle(f"{model.name} version {model.version} has no such file; it has {listed(sorted(known))}")
    return known[file]
