"""Everything below /v2 as one ASGI application: a path is looked up, its method checked, its answer or error sent."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from diffeo.bundle.read import is_version

from ...errors import VersionNotFound
from ...observability.counters import EndpointCounters
from ..inference import Endpoint, Inference
from ..request_context import Reply, RequestContext
from .handlers import Handlers
from .infer import Infer
from .problems import NoSuchPath, WrongMethod, reply_to

MODEL: Final = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/(infer|ready|config|stats))?")
CONTROL: Final = re.compile(r"/v2/repository/models/[^/]+/(?:load|unload)")
VERSION_DIGITS: Final = 10

Answer = Callable[[RequestContext], Awaitable[Reply]]
ModelAnswer = Callable[[RequestContext, str, int | None], Awaitable[Reply]]


class Route(NamedTuple):
    """A path that is there, and the one method it takes."""

    method: str
    answer: Answer


class ModelRoute(NamedTuple):
    """The same below a model's own path."""

    method: str
    answer: ModelAnswer


def site(inference: Inference) -> Endpoint:
    """The application over the repository of the native verbs, with their limits and their meters."""
    pages = Handlers(inference.repository, inference.settings, inference.limits, inference.counters.shared)
    answer = Router(pages, Infer(inference)).answer
    # Handlers are not counted; who asks for rows is counted as the verb that answers.
    return Endpoint(answer, inference.disconnects, EndpointCounters("v2"), refuse=reply_to)


class Router:
    """Where each path leads."""

    def __init__(self, pages: Handlers, infer: Infer) -> None:
        self._control = Route("POST", pages.control)
        self._places: Mapping[str, Route] = {
            "/v2": Route("GET", pages.server),
            "/v2/health/live": Route("GET", pages.live),
            "/v2/health/ready": Route("GET", pages.ready),
            "/v2/models": Route("GET", pages.models),
            "/v2/models/stats": Route("GET", pages.all_statistics),
            "/v2/repository/index": Route("POST", pages.index),
        }
        self._below_model: Mapping[str | None, ModelRoute] = {
            None: ModelRoute("GET", pages.metadata),
            "ready": ModelRoute("GET", pages.model_ready),
            "config": ModelRoute("GET", pages.configuration),
            "stats": ModelRoute("GET", pages.statistics),
            "infer": ModelRoute("POST", infer.answer),
        }

    async def answer(self, http: RequestContext) -> Reply:
        """What the path's place answers."""
        path: str = http.scope["path"]
        place = self._places.get(path) or (self._control if CONTROL.fullmatch(path) else None)
        if place is not None:
            _check_method(http, place.method)
            return await place.answer(http)
        found = MODEL.fullmatch(path)
        if found is None:
            raise NoSuchPath
        name, version, below = found.groups()
        method, answer = self._below_model[below]
        _check_method(http, method)
        return await answer(http, name, _number(version))


def _check_method(http: RequestContext, method: str) -> None:
    asked = http.scope["method"]
    if asked != method and not (asked == "HEAD" and method == "GET"):
        raise WrongMethod(method if method == "POST" else "GET, HEAD")


def _number(version: str | None) -> int | None:
    if version is None:
        return None
    if not is_version(version) or len(version) > VERSION_DIGITS:
        raise VersionNotFound("a version is a whole number such as 1")
    return int(version)
