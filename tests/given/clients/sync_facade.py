"""The asynchronous client with the face of the other, so that one test is for both."""

import asyncio
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np

from diffeo import AsyncClient, Client
from diffeo.client.async_client import AsyncModel


class Awaited:
    """`AsyncClient`, each call waited for."""

    def __init__(self, *arguments: object, **more: object) -> None:
        self._runner = asyncio.Runner()
        self.client = AsyncClient(*arguments, **more)

    def models(self) -> list[str]:
        return self._runner.run(self.client.models())

    def model(self, *arguments: object) -> "AwaitedModel":
        return AwaitedModel(self._runner, self.client.model(*arguments))

    def close(self) -> None:
        self._runner.run(self.client.close())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AwaitedModel:
    """`AsyncModel`, each call waited for."""

    def __init__(self, runner: asyncio.Runner, model: AsyncModel) -> None:
        self._runner = runner
        self._model = model

    @property
    def columns(self) -> tuple[str, ...]:
        return self._runner.run(self._model.columns())

    def iter_samples(self, *arguments: object, **more: object) -> Iterator[np.ndarray]:
        steps = self._model.iter_samples(*arguments, **more)
        try:
            while True:
                yield self._runner.run(anext(steps))
        except StopAsyncIteration:
            return
        finally:
            self._runner.run(steps.aclose())

    def __getattr__(self, name: str) -> Callable[..., object]:
        verb = getattr(self._model, name)
        return lambda *arguments, **more: self._runner.run(verb(*arguments, **more))


CLIENTS = {"blocking": Client, "awaited": Awaited}
