"""The verbs in this process, straight from a bundle: the service's own model without the service."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from bundle.read import Bundle, read, versions
from diffeo.density import Direction, Part, Rows, Vector
from diffeo.errors import DiffeoError
from service import model
from service.requests import LADJ, Limits, LogProbRequest, Payload, SampleRequest, TransformRequest
from service.settings import settle

# Nobody shares this process, so what one request may ask for has no other bound than the parser's.
LIMITS = Limits(max_rows=2**53, max_num_samples=2**53)

T = TypeVar("T")


class LocalModel:
    """One verified bundle, computed here; see `diffeo.density` for the verbs."""

    def __init__(self, bundle: Bundle, name: str, version: int) -> None:
        settings = settle({})
        executor = ThreadPoolExecutor(settings.threads)
        self._model = model.load(bundle, name, version, settings, executor)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        return self._model.manifest.columns

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, parts: tuple[Part, ...]
    ) -> dict[str, Rows]:
        """Rows of a seeded sample with the parts asked for, from one pass."""
        wanted = {"num_samples": num_samples, "seed": seed, "start": start, "temperature": temperature}
        request = SampleRequest.parse(Payload({**wanted, "return": list(parts)}), LIMITS)
        return dict(_wait(self._model.sample(self._model.settle(request))).tensors)

    def log_prob(self, x: Rows) -> Vector:
        """Exact log density of each row, nats."""
        return _wait(self._model.log_prob(LogProbRequest(x, "null"))).tensors["log_prob"]

    def transform(self, rows: Rows, direction: Direction) -> tuple[Rows, Vector]:
        """z or x of each row, and the log|det| of that direction."""
        image = "z" if direction == "forward" else "x"
        tensors = _wait(self._model.transform(TransformRequest(direction, rows, "null", (image, LADJ)))).tensors
        return tensors[image], tensors[LADJ]


def open_model(models: Path, name: str, version: int | None) -> LocalModel:
    """The model in a repository folder; the newest version unless one is named.

    Raises:
        DiffeoError: no such model in the folder.
        BundleError: its bundle is refused.
    """
    found = versions(models / name)
    if not found:
        raise DiffeoError(f"no model {name!a} in {models}")
    chosen = found[-1] if version is None else version
    return LocalModel(read(models / name / str(chosen)), name, chosen)


def _wait(answer: Coroutine[object, object, T]) -> T:
    return asyncio.run(answer)
