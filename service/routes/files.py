"""GET /models/{model}/versions/{version}/files/{file}: downloads one file of a bundle for local computation."""

import asyncio
import functools
import hashlib
import pathlib
from typing import Annotated, Final

from fastapi import APIRouter, Header, HTTPException, Path, Request, Response

from diffeo.bundle.errors import BundleError
from diffeo.bundle.manifest import KNOWN_FILES, MANIFEST_NAME, SEAL_NAME
from diffeo.bundle.read import seal_of

from ..downloads import byte_range
from ..downloads.byte_range import ByteRange
from ..downloads.response import FileDownload
from ..downloads.slots import DownloadSlots
from ..downloads.verified_file import VerifiedFile, VerifiedFiles
from ..errors import FileNotInBundle, VersionRefused, listed
from ..model import Model
from ..repository.repository import Repository
from ..requests import ModelSelector
from ..settings import Settings
from .models import Name, Version
from .openapi import Document
from .request_context import client_of

MEDIA_TYPE: Final = "application/octet-stream"
# Each running download keeps a file open.
MAX_DOWNLOADS: Final = 32
MAX_OF_CLIENT: Final = 8
UNSATISFIABLE: Final = 416
FILES: Final = sorted({*KNOWN_FILES, MANIFEST_NAME, SEAL_NAME})
PROBLEM: Final[Document] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
RESPONSES: Final[dict[int | str, Document]] = {
    200: {
        "description": "The bytes of the file; ETag is their SHA-256",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    206: {
        "description": "The part of the file that Range names; If-Range with the ETag makes resuming safe",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "The file has not changed: If-None-Match names its ETag"},
    404: {"description": "The model, version or file does not exist", "content": PROBLEM},
    416: {"description": "Range begins after the end of the file", "content": PROBLEM},
    429: {"description": "Too many downloads run; Retry-After tells when to try again", "content": PROBLEM},
    503: {"description": "The version was refused, or its files changed after it was loaded", "content": PROBLEM},
}

FileName = Annotated[
    str, Path(max_length=32, description="The name of a file of the bundle", json_schema_extra={"enum": FILES})
]
Range = Annotated[str, Header(max_length=64, description="One range of bytes, such as bytes=1000-")]
RangeTag = Annotated[str, Header(description="The ETag that the file must still have for Range to count")]
KnownTags = Annotated[str, Header(description="The ETag of an earlier response, which the client still has")]


def router(repository: Repository, settings: Settings) -> APIRouter:
    """The download route over one repository; no route if the settings forbid downloads."""
    routes = APIRouter(tags=["models"])
    if not settings.downloads:
        return routes

    downloads = _Downloads(settings.models)
    path = "/models/{model}/versions/{version}/files/{file}"

    @routes.head(path, include_in_schema=False)
    @routes.get(path, summary="One file of a bundle", response_class=Response, responses=RESPONSES)
    async def fetch_file(  # noqa: PLR0913, PLR0917  (parts of the path, and headers)
        request: Request,
        model: Name,
        version: Version,
        file: FileName,
        if_none_match: KnownTags = "",
        range: Range = "",  # noqa: A002  (the name of the header)
        if_range: RangeTag = "",
    ) -> Response:
        found = repository.find(ModelSelector(model, version))
        digest = _digest(found, file)
        tag = f'"{digest}"'
        headers = {"etag": tag, "cache-control": "no-cache", "accept-ranges": "bytes"}
        if tag in if_none_match:
            return Response(status_code=304, headers=headers)
        client = client_of(request.scope)
        opened = await downloads.open(client, found, file, digest)
        part = byte_range.parse(range, opened.size) if not if_range or if_range == tag else None
        if part is not None and part.start == part.end and opened.size:
            opened.close()
            downloads.slots.free(client)
            raise HTTPException(UNSATISFIABLE, headers={"content-range": f"bytes */{opened.size}"})
        return FileDownload(
            opened,
            part or ByteRange(0, opened.size),
            headers,
            MEDIA_TYPE,
            functools.partial(downloads.slots.free, client),
        )

    return routes


class _Downloads:
    """Opens the files of a repository while there are slots for downloads."""

    def __init__(self, models: pathlib.Path) -> None:
        self._models = models
        self._files = VerifiedFiles()
        self.slots = DownloadSlots(MAX_DOWNLOADS, MAX_OF_CLIENT)

    async def open(self, client: str, model: Model, file: str, digest: str) -> VerifiedFile:
        """Open and verify one file, and take a slot, which must be freed when its download has ended."""
        self.slots.take(client)
        folder = self._models / model.name / str(model.version)
        try:
            return await asyncio.to_thread(self._files.open, folder, file, digest)
        except BundleError as error:
            self.slots.free(client)
            raise VersionRefused(
                f"{model.name} version {model.version} changed on disk after it was loaded: {error}"
            ) from None
        except BaseException:
            self.slots.free(client)
            raise


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
