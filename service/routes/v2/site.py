"""Everything below /v2 as one ASGI application: a path is looked up, its method checked, its answer or error sent."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from bundle.read import is_version
from service.errors import VersionNotFound
from service.meters import VerbMeter
from service.routes.exchange import Exchange, Reply
from service.routes.inference import Inference, Verb
from service.routes.v2.infer import Infer
from service.routes.v2.pages import Pages
from service.routes.v2.problems import NoSuchPath, WrongMethod, reply_to
from service.tally import Tally

MODEL: Final = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/(infer|ready|config|stats))?")
CONTROL: Final = re.compile(r"/v2/repository/models/[^/]+/(?:load|unload)")
VERSION_DIGITS: Final = 10

Answer = Callable[[Exchange], Awaitable[Reply]]
ModelAnswer = Callable[[Exchange, str, int | None], Awaitable[Reply]]


class Place(NamedTuple):
    """A path that is there, and the one method it takes."""

    method: str
    answer: Answer


class ModelPlace(NamedTuple):
    """The same below a model's own path."""

    method: str
    answer: ModelAnswer


def site(inference: Inference) -> Verb:
    """The application over the repository of the native verbs, with their limits and their meters."""
    tally = Tally()
    pages = Pages(inference.repository, inference.settings, inference.limits, tally)
    answer = Site(pages, Infer(inference, tally)).answer
    # Pages are not counted; who asks for rows is counted as the verb that answers.
    return Verb(answer, inference.attendance, VerbMeter("v2"), refuse=reply_to)


class Site:
    """Where each path leads."""

    def __init__(self, pages: Pages, infer: Infer) -> None:
        self._control = Place("POST", pages.control)
        self._places: Mapping[str, Place] = {
            "/v2": Place("GET", pages.server),
            "/v2/health/live": Place("GET", pages.live),
            "/v2/health/ready": Place("GET", pages.ready),
            "/v2/models": Place("GET", pages.models),
            "/v2/models/stats": Place("GET", pages.all_statistics),
            "/v2/repository/index": Place("POST", pages.index),
        }
        self._below_model: Mapping[str | None, ModelPlace] = {
            None: ModelPlace("GET", pages.metadata),
            "ready": ModelPlace("GET", pages.model_ready),
            "config": ModelPlace("GET", pages.configuration),
            "stats": ModelPlace("GET", pages.statistics),
            "infer": ModelPlace("POST", infer.answer),
        }

    async def answer(self, http: Exchange) -> Reply:
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


def _check_method(http: Exchange, method: str) -> None:
    asked = http.scope["method"]
    if asked != method and not (asked == "HEAD" and method == "GET"):
        raise WrongMethod(method if method == "POST" else "GET, HEAD")


def _number(version: str | None) -> int | None:
    if version is None:
        return None
    if not is_version(version) or len(version) > VERSION_DIGITS:
        raise VersionNotFound("a version is a whole number such as 1")
    return int(version)
