"""The asynchronous client with the methods of the blocking one, so that one test covers both."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar, overload

import httpx
from numpy.typing import ArrayLike

from diffeo import AsyncClient, Client
from diffeo.client.async_client import AsyncModel
from diffeo.client.client import RemoteModel
from diffeo.density import STREAM_BLOCK_ROWS, Direction, Output, Rows, Vector
from diffeo.local.model import LocalModel
from diffeo.tables.frames import Frame

F = TypeVar("F", bound=Frame)


class SyncClient:
    """`AsyncClient`; each method runs the coroutine to its end."""

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
        self._runner = asyncio.Runner()
        self._client = AsyncClient(
            url, timeout=timeout, retries=retries, headers=headers, api_key=api_key, transport=transport
        )

    def models(self) -> list[str]:
        return self._runner.run(self._client.models())

    def model(self, name: str, version: int | None = None, precision: str | None = None) -> "SyncModel":
        return SyncModel(self._runner, self._client.model(name, version, precision))

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SyncModel:
    """`AsyncModel`; each method runs the coroutine to its end."""

    def __init__(self, runner: asyncio.Runner, model: AsyncModel) -> None:
        self._runner = runner
        self._model = model

    @property
    def columns(self) -> tuple[str, ...]:
        return self._runner.run(self._model.columns())

    def describe(self) -> dict[str, object]:
        return self._runner.run(self._model.describe())

    def sample(self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0) -> Rows:
        sample = self._model.sample(num_samples, seed=seed, start=start, temperature=temperature)
        return self._runner.run(sample)

    def sample_frame(self, frame_class: type[F], num_samples: int, *, seed: int | None = None) -> F:
        return self._runner.run(self._model.sample_frame(frame_class, num_samples, seed=seed))

    def sample_and_log_prob(self, num_samples: int, *, seed: int | None = None) -> tuple[Rows, Vector]:
        return self._runner.run(self._model.sample_and_log_prob(num_samples, seed=seed))

    def iter_samples(
        self, num_samples: int, *, seed: int | None = None, start: int = 0, rows: int = STREAM_BLOCK_ROWS
    ) -> Iterator[Rows]:
        blocks = self._model.iter_samples(num_samples, seed=seed, start=start, rows=rows)

        async def next_block() -> Rows | None:
            return await anext(blocks, None)

        try:
            while (block := self._runner.run(next_block())) is not None:
                yield block
        finally:
            self._runner.run(blocks.aclose())

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, outputs: tuple[Output, ...]
    ) -> dict[str, Rows]:
        drawn = self._model.draw(num_samples, seed=seed, start=start, temperature=temperature, outputs=outputs)
        return self._runner.run(drawn)

    def log_prob(self, x: ArrayLike | Frame) -> Vector:
        return self._runner.run(self._model.log_prob(x))

    @overload
    def forward(self, x: F) -> F: ...
    @overload
    def forward(self, x: ArrayLike) -> Rows: ...
    def forward(self, x: ArrayLike | Frame) -> Rows | Frame:
        async def forward() -> Rows | Frame:
            return await self._model.forward(x)

        return self._runner.run(forward())

    @overload
    def inverse(self, z: F) -> F: ...
    @overload
    def inverse(self, z: ArrayLike) -> Rows: ...
    def inverse(self, z: ArrayLike | Frame) -> Rows | Frame:
        async def inverse() -> Rows | Frame:
            return await self._model.inverse(z)

        return self._runner.run(inverse())

    def transform(self, rows: ArrayLike | Frame, direction: Direction) -> tuple[Rows, Vector]:
        return self._runner.run(self._model.transform(rows, direction))

    def local(self, cache: Path | None = None) -> LocalModel:
        return self._runner.run(self._model.local(cache))


AnyClient = Client | SyncClient
AnyModel = RemoteModel | SyncModel
Connect = Callable[..., AnyClient]
CLIENTS: Final[dict[str, type[Client] | type[SyncClient]]] = {"blocking": Client, "async": SyncClient}
