"""A service is well when it computes: one row through both graphs of every model that it serves, within a deadline."""

import asyncio
from typing import Final

from .errors import NotComputing
from .model import Model
from .repository.repository import Repository

# A row waits for the chunks that are in the engines, some tens of milliseconds each, and for no queue.
PROBE_SECONDS: Final = 5.0


class HealthProbe:
    """Tells whether a service computes.

    Args:
        repository: what it serves.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    async def check(self, seconds: float = PROBE_SECONDS) -> None:
        """Compute a row with each model.

        Raises:
            NotComputing: not all were there in time.
            EngineFailed: a runtime gave up on a row of zeros.
        """
        served = map(self._repository.newest, self._repository.models)
        probes = [model.probe() for model in served if isinstance(model, Model)]
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*probes)
        except TimeoutError:
            raise NotComputing(f"no answer from the engines within {seconds:g} seconds") from None
