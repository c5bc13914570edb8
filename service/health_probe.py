"""The health probe: computes one row with both graphs of every served model, within a time limit."""

import asyncio
from typing import Final

from .errors import NotComputing
from .model import Model
from .repository.repository import Repository

# A probe waits for the chunks that the engines compute now, some tens of milliseconds each, but not for a queue.
PROBE_SECONDS: Final = 5.0


class HealthProbe:
    """Checks that the engines of a service compute.

    Args:
        repository: the served models.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    async def check(self, seconds: float = PROBE_SECONDS) -> None:
        """Compute one row with the newest version of each model.

        Raises:
            NotComputing: an engine did not finish within the time limit.
            EngineFailed: an engine failed on a row of zeros.
        """
        newest = map(self._repository.newest, self._repository.models)
        probes = [model.probe() for model in newest if isinstance(model, Model)]
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*probes)
        except TimeoutError:
            raise NotComputing(f"no answer from the engines within {seconds:g} seconds") from None
