"""The health probe fails if an engine does not compute, even if other endpoints still answer."""

import asyncio
from collections.abc import Iterator

import pytest

from diffeo.service.errors import NotComputing
from tests.given.servers.gated_service import SECONDS, GatedService


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[GatedService]:
    running = GatedService(monkeypatch)
    yield running
    running.gate.set()


def test_the_probe_computes_one_row_with_every_graph(service: GatedService) -> None:
    service.gate.set()
    asyncio.run(service.health_probe.check(SECONDS))
    assert service.rows == [1, 1]


def test_the_probe_fails_at_its_time_limit_if_an_engine_hangs_while_readyz_still_answers(service: GatedService) -> None:
    async def main() -> int:
        with pytest.raises(NotComputing, match=r"no answer from the engines within 0\.05 seconds"):
            await service.health_probe.check(0.05)
        async with service.client() as client:
            return (await client.get("/readyz")).status_code

    assert asyncio.run(asyncio.wait_for(main(), SECONDS)) == 200
