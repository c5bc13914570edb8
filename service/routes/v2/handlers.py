"""What is answered from what is known already: health, metadata, configuration, index, statistics."""

from typing import Final

import orjson

from ...errors import InvalidRequest
from ...model import Model
from ...observability.statistics import Tally
from ...repository.repository import Repository
from ...requests import Limits, ModelSelector
from ...settings import Settings
from ..request_context import Reply, RequestContext
from . import index, metadata, protocol_model, statistics
from .problems import JSON

UNAVAILABLE: Final = 503


class Handlers:
    """One method for each path, over one repository.

    Args:
        repository: asked anew by each request.
        settings: what metadata tell of the runtime.
        limits: what configurations tell of batches.
        tally: what statistics tell.
    """

    def __init__(self, repository: Repository, settings: Settings, limits: Limits, tally: Tally) -> None:
        self._repository = repository
        self._settings = settings
        self._limits = limits
        self._tally = tally

    async def server(self, _: RequestContext) -> Reply:
        """The server and its extensions."""
        return _page(metadata.server())

    async def live(self, _: RequestContext) -> Reply:
        """The process answers. Some clients read the status, others a field, and one asks here whether it is ready."""
        return _page({"live": True, "ready": self._repository.ready})

    async def ready(self, _: RequestContext) -> Reply:
        """Every model is served."""
        ready = self._repository.ready
        return _page({"live": True, "ready": ready}, 200 if ready else UNAVAILABLE)

    async def models(self, _: RequestContext) -> Reply:
        """The names of all models."""
        return _page(
            {"models": [one.name(flow) for flow in self._repository.models for one in protocol_model.PROTOCOL_MODELS]}
        )

    async def all_statistics(self, _: RequestContext) -> Reply:
        """What was asked of every model."""
        return _page(statistics.of_all(self._repository, self._tally))

    async def index(self, http: RequestContext) -> Reply:
        """Every version, served or refused."""
        return _page(index.index(self._repository, await http.body(index.MAX_BYTES)))

    async def control(self, _: RequestContext) -> Reply:
        """Loading and unloading, which is not offered."""
        raise InvalidRequest(index.NO_LOADING)

    async def metadata(self, _: RequestContext, name: str, version: int | None) -> Reply:
        """A model's tensors."""
        kind, model = self._find(name, version)
        return _page(metadata.metadata(self._repository, kind, model, self._settings))

    async def model_ready(self, _: RequestContext, name: str, version: int | None) -> Reply:
        """The model is served; an error where it is not."""
        kind, model = self._find(name, version)
        return _page({"name": kind.name(model.name), "ready": True})

    async def configuration(self, _: RequestContext, name: str, version: int | None) -> Reply:
        """How a model may be driven."""
        kind, model = self._find(name, version)
        return _page(metadata.configuration(kind, model, self._settings, self._limits))

    async def statistics(self, _: RequestContext, name: str, version: int | None) -> Reply:
        """What was asked of a model."""
        kind, model = self._find(name, version)
        if version is None:
            return _page(statistics.of_model(self._repository, self._tally, kind, model.name))
        return _page(statistics.of_versions(self._tally, kind, [model]))

    def _find(self, name: str, version: int | None) -> tuple[protocol_model.ProtocolModel, Model]:
        flow, kind = protocol_model.parse(name)
        return kind, self._repository.find(ModelSelector(flow, version))


def _page(content: object, status: int = 200) -> Reply:
    text = orjson.dumps(content)
    return Reply(status, [(b"content-type", JSON), (b"content-length", b"%d" % len(text))], text)
