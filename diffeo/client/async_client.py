"""`AsyncClient` and `AsyncModel`: the operations of `diffeo.client.client` as coroutines.

Both clients run the same calls of `diffeo.client.calls`; here the driver awaits each step, so no thread blocks.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, overload

import httpx
from numpy.typing import ArrayLike

from diffeo.density import STREAM_BLOCK_ROWS, Direction, Output, Rows, SeededSample, Vector, with_seed
from diffeo.errors import Unreachable, requires_extra
from diffeo.tables.frames import Frame

from . import calls, httpx_steps
from .retries import RemoteService
from .steps import Finished, ReadBytes, SendRequest, Sleep, Step, StepResult, Steps, YieldRows, advance

if TYPE_CHECKING:
    from diffeo.local.model import LocalModel

T = TypeVar("T")
F = TypeVar("F", bound=Frame)


class AsyncClient:
    """Connections to one service, for one event loop; the arguments are those of `diffeo.Client`.

    >>> async def main() -> tuple[int, ...]:
    ...     async with AsyncClient("http://127.0.0.1:8000") as client:
    ...         x = await client.model("moons").sample(1000, seed=7)
    ...         return x.shape
    >>> asyncio.run(main())
    (1000, 2)
    """

    def __init__(  # noqa: PLR0913  (each has a default, and all but the first are named)
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout: float | None = 60.0,
        retries: int = 5,
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.service = RemoteService(url, math.inf if timeout is None else timeout, retries)
        try:
            self._http = httpx.AsyncClient(
                base_url=url, headers=httpx_steps.with_default_headers(headers, api_key), transport=transport
            )
        except httpx.InvalidURL as error:
            raise Unreachable(f"{url} is not an address: {error}") from error

    def model(self, name: str, version: int | None = None, precision: str | None = None) -> "AsyncModel":
        """One model of the service; by default its newest version in its own precision."""
        return AsyncModel(self, name, version, precision)

    async def models(self) -> list[str]:
        """The names of the models of the service."""
        return await self.run(calls.list_models(self.service))

    async def run(self, steps: Steps[T]) -> T:
        """Do all steps of a call and return its result.

        Raises:
            Unreachable: no response arrived, it was incomplete, or no diffeo service sent it.
            Problem: the response is a problem document.
        """
        async with aclosing(_Driver(self._http)) as driver:
            step = advance(steps, None)
            while not isinstance(step, Finished):
                step = advance(steps, await driver.do(step))
            return step.result

    async def stream(self, steps: Steps[None]) -> AsyncGenerator[Rows, None]:
        """Do the steps of a streaming call and yield its arrays; the same errors as `run`."""
        with closing(steps):
            async with aclosing(_Driver(self._http)) as driver:
                step = advance(steps, None)
                while not isinstance(step, Finished):
                    if isinstance(step, YieldRows):
                        yield step.rows
                    step = advance(steps, await driver.do(step))

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
    """One model of a service: the methods of `diffeo.client.client.RemoteModel` as coroutines.

    `columns` is a method here, because it sends a request. `iter_samples` is an asynchronous iterator.

    >>> async def main() -> tuple[str, ...]:
    ...     async with AsyncClient("http://127.0.0.1:8000") as client:
    ...         model = client.model("moons")
    ...         blocks = [block async for block in model.iter_samples(1000, seed=7, rows=500)]
    ...         densities = await asyncio.gather(*map(model.log_prob, blocks))
    ...         assert [len(density) for density in densities] == [500, 500]
    ...         return await model.columns()
    >>> asyncio.run(main())
    ('x0', 'x1')
    """

    def __init__(self, client: AsyncClient, name: str, version: int | None, precision: str | None = None) -> None:
        self.name = name
        self._client = client
        self._calls = calls.ModelCalls(client.service, name, version, precision)

    async def columns(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        return (await self._client.run(self._calls.version_info())).columns

    async def describe(self) -> dict[str, object]:
        """The model's metadata, from GET /models/{model}: columns, certificate, calibration, provenance."""
        return await self._client.run(self._calls.describe())

    async def sample(
        self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> Rows:
        """Rows [start, start + num_samples) of a sample of x; the same seed gives the same rows every time."""
        return await self._client.run(self._calls.sample(with_seed(num_samples, seed, start, temperature)))

    async def sample_frame(
        self,
        frame_class: type[F],
        num_samples: int,
        *,
        seed: int | None = None,
        start: int = 0,
        temperature: float = 1.0,
    ) -> F:
        """The rows of `sample` in a `pandas.DataFrame` or `polars.DataFrame` with the model's columns."""
        sample = with_seed(num_samples, seed, start, temperature)
        return await self._client.run(self._calls.sample_frame(frame_class, sample))

    async def sample_and_log_prob(
        self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> tuple[Rows, Vector]:
        """The rows of `sample` and the log density of each, computed together."""
        sample = with_seed(num_samples, seed, start, temperature)
        return await self._client.run(self._calls.sample_and_log_prob(sample))

    def iter_samples(
        self,
        num_samples: int,
        *,
        seed: int | None = None,
        start: int = 0,
        temperature: float = 1.0,
        rows: int = STREAM_BLOCK_ROWS,
    ) -> AsyncGenerator[Rows, None]:
        """The rows of `sample` in arrays of `rows` rows; after a broken connection it continues with the next row."""
        return self._client.stream(self._calls.stream_sample(with_seed(num_samples, seed, start, temperature), rows))

    async def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, outputs: tuple[Output, ...]
    ) -> dict[str, Rows]:
        """The requested outputs of rows [start, start + num_samples) of the sample with this seed."""
        sample = SeededSample(num_samples, seed, start, temperature)
        return dict(await self._client.run(self._calls.draw(sample, outputs)))

    async def log_prob(self, x: ArrayLike | Frame) -> Vector:
        """Exact log density of each row, nats."""
        return await self._client.run(self._calls.log_prob(x))

    @overload
    async def forward(self, x: F) -> F: ...
    @overload
    async def forward(self, x: ArrayLike) -> Rows: ...
    async def forward(self, x: ArrayLike | Frame) -> Rows | Frame:
        """z = f(x)."""
        return await self._client.run(self._calls.transform_rows(x, "forward"))

    @overload
    async def inverse(self, z: F) -> F: ...
    @overload
    async def inverse(self, z: ArrayLike) -> Rows: ...
    async def inverse(self, z: ArrayLike | Frame) -> Rows | Frame:
        """x = f^-1(z)."""
        return await self._client.run(self._calls.transform_rows(z, "inverse"))

    async def transform(self, rows: ArrayLike | Frame, direction: Direction) -> tuple[Rows, Vector]:
        """z (forward) or x (inverse) of each row, and log|det| of the Jacobian of that direction."""
        return await self._client.run(self._calls.transform(rows, direction))

    async def local(self, cache: Path | None = None) -> "LocalModel":
        """The same model, computed in this process. Its bundle is downloaded once, verified, and kept in the cache.

        Args:
            cache: folder of downloaded bundles; by default the user's cache folder.

        Raises:
            NotInstalled: packages are missing; `pip install 'diffeo[local]'` installs them.
            BundleError: the bundle is not valid.
        """
        with requires_extra("local()", "local"):
            from diffeo.local.model import LocalModel  # noqa: PLC0415  (a client-only installation lacks onnxruntime)

            from .download import fetch_bundle  # noqa: PLC0415  (as above, and it lacks pydantic)
        fetched = await self._client.run(fetch_bundle(self._calls, cache))
        # Loading the graphs takes seconds of computation, which would block the event loop.
        return await asyncio.to_thread(LocalModel, *fetched)


class _Driver:
    """Does the steps of one call with an asynchronous httpx client; at most one response is open at a time."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._response: httpx.Response | None = None
        self._body: AsyncIterator[bytes] | None = None

    async def do(self, step: Step) -> StepResult:
        try:
            match step:
                case SendRequest():
                    return await self._send(step)
                case ReadBytes():
                    return b"" if self._body is None else await anext(self._body, b"")
                case Sleep():
                    await asyncio.sleep(step.seconds)
        except httpx.RequestError as error:
            return httpx_steps.transport_failure(error)
        return None

    async def aclose(self) -> None:
        if self._response is not None:
            await self._response.aclose()

    async def _send(self, step: SendRequest) -> StepResult:
        await self.aclose()
        self._response = await self._http.send(httpx_steps.build_request(self._http, step), stream=True)
        self._body = self._response.aiter_bytes()
        return httpx_steps.response_head(self._response)
