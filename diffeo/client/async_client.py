"""The verbs of `diffeo.client.client`, awaited: the same steps, and no thread waits while one is taken."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, overload

import httpx

from diffeo.density import BLOCK_ROWS, Direction, Draw, Part, Rows, Vector, settled
from diffeo.errors import Unreachable, needing
from diffeo.tables.frames import Frame

from . import calls, httpx_steps
from .retries import Endpoint
from .steps import Give, Open, Outcome, Read, Step, Steps, Wait

if TYPE_CHECKING:
    from diffeo.local.model import LocalModel

T = TypeVar("T")
F = TypeVar("F", bound=Frame)


class AsyncClient:
    """Connections to one service, for the event loop that first uses them; arguments are those of `diffeo.Client`.

    >>> async with AsyncClient("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     x = await client.model("moons").sample(1000, seed=7)
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout: float | None = 60.0,
        retries: int = 5,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.endpoint = Endpoint(url, math.inf if timeout is None else timeout, retries)
        try:
            self._http = httpx.AsyncClient(base_url=url, headers=httpx_steps.headers(headers), transport=transport)
        except httpx.InvalidURL as error:
            raise Unreachable(f"{url} is not an address: {error}") from error

    def model(self, name: str, version: int | None = None, precision: str | None = None) -> "AsyncModel":
        """One model of the service; its newest version and its own precision unless others are named."""
        return AsyncModel(self, name, version, precision)

    async def models(self) -> list[str]:
        """The names of the models of the service."""
        return await self.run(calls.names(self.endpoint))

    async def run(self, steps: Steps[T]) -> T:
        """Take all steps of a call.

        Raises:
            Unreachable: no answer came, not a whole one, or one that makes no sense.
            Problem: the answer is a problem document.
        """
        outcome: Outcome = None
        async with aclosing(_Driver(self._http)) as driver:
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration as end:
                    result: T = end.value
                    return result
                outcome = await driver.take(step)

    async def stream(self, steps: Steps[None]) -> AsyncGenerator[Rows, None]:
        """Take the steps of a call as far as the next array that it gives; the same errors."""
        outcome: Outcome = None
        with closing(steps):
            async with aclosing(_Driver(self._http)) as driver:
                while True:
                    try:
                        step = steps.send(outcome)
                    except StopIteration:
                        return
                    if isinstance(step, Give):
                        yield step.rows
                        outcome = None
                    else:
                        outcome = await driver.take(step)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncModel:
    """One model of a service; see `diffeo.density` for the verbs.

    Rows are NumPy arrays, or frames of pandas or polars: those are matched by column, and tables come back in kind.
    """

    def __init__(self, client: AsyncClient, name: str, version: int | None, precision: str | None = None) -> None:
        self.name = name
        self._client = client
        self._verbs = calls.Verbs(client.endpoint, name, version, precision)

    async def columns(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        return (await self._client.run(self._verbs.shape())).columns

    async def describe(self) -> dict[str, object]:
        """What GET /models/{model} says: columns, certificate, calibration, provenance."""
        return await self._client.run(self._verbs.describe())

    async def sample(
        self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> Rows:
        """Draw rows of x; with a seed the same rows every time, and `start` pages through them."""
        return await self._client.run(self._verbs.sample(settled(num_samples, seed, start, temperature)))

    async def sample_frame(
        self, kind: type[F], num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> F:
        """The rows that `sample` would draw as a `pandas.DataFrame` or `polars.DataFrame` with the model's columns."""
        return await self._client.run(self._verbs.sample_frame(kind, settled(num_samples, seed, start, temperature)))

    async def sample_and_log_prob(
        self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> tuple[Rows, Vector]:
        """Rows of x and the log density of each, from one pass."""
        draw = settled(num_samples, seed, start, temperature)
        answer = await self._client.run(self._verbs.draw(draw, ("x", "log_prob")))
        return answer["x"], answer["log_prob"]

    def iter_samples(
        self,
        num_samples: int,
        *,
        seed: int | None = None,
        start: int = 0,
        temperature: float = 1.0,
        rows: int = BLOCK_ROWS,
    ) -> AsyncGenerator[Rows, None]:
        """The rows that `sample` would draw, in arrays of `rows`; a stream that is cut goes on where it was."""
        return self._client.stream(self._verbs.pieces(settled(num_samples, seed, start, temperature), rows))

    async def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, parts: tuple[Part, ...]
    ) -> dict[str, Rows]:
        """Rows of a seeded sample with the parts asked for, from one pass."""
        return dict(await self._client.run(self._verbs.draw(Draw(num_samples, seed, start, temperature), parts)))

    async def log_prob(self, x: Rows | Frame) -> Vector:
        """Exact log density of each row, nats."""
        return await self._client.run(self._verbs.log_prob(x))

    @overload
    async def forward(self, x: Rows) -> Rows: ...
    @overload
    async def forward(self, x: F) -> F: ...
    async def forward(self, x: Rows | Frame) -> Rows | Frame:
        """z = f(x)."""
        return await self._client.run(self._verbs.image(x, "forward"))

    @overload
    async def inverse(self, z: Rows) -> Rows: ...
    @overload
    async def inverse(self, z: F) -> F: ...
    async def inverse(self, z: Rows | Frame) -> Rows | Frame:
        """x = f^-1(z)."""
        return await self._client.run(self._verbs.image(z, "inverse"))

    async def transform(self, rows: Rows | Frame, direction: Direction) -> tuple[Rows, Vector]:
        """z or x of each row, and the log|det| of that direction."""
        return await self._client.run(self._verbs.transform(rows, direction))

    async def local(self, cache: Path | None = None) -> "LocalModel":
        """The same model computed in this process: its bundle is fetched once, checked, and kept in the cache.

        Args:
            cache: folder of bundles; the user's own cache unless named.

        Raises:
            NotInstalled: this needs what `pip install 'diffeo[local]'` brings.
            BundleError: the bundle is refused.
        """
        with needing("local()", "local"):
            from diffeo.local import model  # noqa: PLC0415  (a client-only installation lacks a runtime)
            from diffeo.local.cache import fetched  # noqa: PLC0415  (as above)
        parts = await self._client.run(fetched(self._verbs, cache))
        return await asyncio.to_thread(model.LocalModel, *parts)


class _Driver:
    """Takes the steps of one call; one answer is open at a time."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._response: httpx.Response | None = None
        self._parts: AsyncIterator[bytes] | None = None

    async def take(self, step: Step) -> Outcome:
        try:
            match step:
                case Open():
                    return await self._open(step)
                case Read():
                    return b"" if self._parts is None else await anext(self._parts, b"")
                case Wait():
                    await asyncio.sleep(step.seconds)
        except httpx.RequestError as error:
            return httpx_steps.lost(error)
        return None

    async def aclose(self) -> None:
        if self._response is not None:
            await self._response.aclose()

    async def _open(self, step: Open) -> Outcome:
        await self.aclose()
        self._response = await self._http.send(httpx_steps.request(self._http, step), stream=True)
        self._parts = self._response.aiter_bytes()
        return httpx_steps.head(self._response)
