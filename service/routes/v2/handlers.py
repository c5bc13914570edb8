"""Handlers of all paths below /v2 but inference: health, metadata, configuration, index and statistics."""

import asyncio
from typing import Final

import orjson

from ...errors import InvalidRequest
from ...model import Model
from ...observability.shared_counters import SharedCounters
from ...repository.repository import Repository
from ...requests import Limits
from ...settings import Settings
from ..request_context import HttpResponse, RequestContext
from . import index, metadata, statistics
from .address import ModelPath
from .problems import JSON
from .protocol_model import PROTOCOL_MODELS, ProtocolModel

UNAVAILABLE: Final = 503


class Handlers:
    """One method for each path, over one repository.

    Args:
        repository: every request reads its present state.
        settings: metadata name the engine.
        limits: configurations name the largest batch.
        shared: the counters of all processes, for statistics.
    """

    def __init__(self, repository: Repository, settings: Settings, limits: Limits, shared: SharedCounters) -> None:
        self._repository = repository
        self._settings = settings
        self._limits = limits
        self._shared = shared

    async def server(self, _: RequestContext) -> HttpResponse:
        """Name, version and extensions of the server."""
        return _json(metadata.server())

    async def live(self, _: RequestContext) -> HttpResponse:
        """The process answers. Some clients read the status, some the field `live`, and one reads `ready` here."""
        return _json({"live": True, "ready": self._repository.ready})

    async def ready(self, request: RequestContext) -> HttpResponse:
        """200 if every model is served, else 503; also 503 while the service stops."""
        ready = self._repository.ready and not request.scope.get("state", {}).get("stopping")
        return _json({"live": True, "ready": ready}, 200 if ready else UNAVAILABLE)

    async def models(self, _: RequestContext) -> HttpResponse:
        """The names of all protocol models."""
        flows = self._repository.models
        return _json({"models": [kind.name(flow) for flow in flows for kind in PROTOCOL_MODELS]})

    async def all_statistics(self, _: RequestContext) -> HttpResponse:
        """The statistics of every protocol model."""
        return _json(await asyncio.to_thread(statistics.of_all, self._repository, self._shared))

    async def index(self, request: RequestContext) -> HttpResponse:
        """Every version, served or refused."""
        return _json(index.index(self._repository, await request.body(index.MAX_BYTES)))

    async def control(self, _: RequestContext) -> HttpResponse:
        """Always an error: requests cannot load or unload models."""
        raise InvalidRequest(index.NO_LOADING)

    async def metadata(self, request: RequestContext) -> HttpResponse:
        """The tensors of a model."""
        kind, model = self._find(request)
        return _json(metadata.metadata(self._repository, kind, model, self._settings))

    async def model_ready(self, request: RequestContext) -> HttpResponse:
        """200 if the model is served, else an error."""
        kind, model = self._find(request)
        return _json({"name": kind.name(model.name), "ready": True})

    async def configuration(self, request: RequestContext) -> HttpResponse:
        """The configuration of a model."""
        kind, model = self._find(request)
        return _json(metadata.configuration(kind, model, self._settings, self._limits))

    async def statistics(self, request: RequestContext) -> HttpResponse:
        """The statistics of a model: of one version, or of all if the path names none."""
        path = ModelPath.of(request)
        request.model = model = self._repository.find(path.selector)
        if path.selector.version is None:
            name = model.name
            return _json(await asyncio.to_thread(statistics.of_model, self._repository, self._shared, path.kind, name))
        return _json(await asyncio.to_thread(statistics.of_versions, self._shared, path.kind, [model]))

    def _find(self, request: RequestContext) -> tuple[ProtocolModel, Model]:
        path = ModelPath.of(request)
        request.model = model = self._repository.find(path.selector)
        return path.kind, model


def _json(content: object, status: int = 200) -> HttpResponse:
    text = orjson.dumps(content)
    return HttpResponse(status, [(b"content-type", JSON), (b"content-length", b"%d" % len(text))], text)
