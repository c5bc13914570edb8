"""A service that does not compute says so, whatever else of it answers."""

import asyncio
from collections.abc import Iterator

import pytest

from diffeo.service.errors import NotComputing
from tests.given.servers.gated_engine import SECONDS, Service


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    running = Service(monkeypatch)
    yield running
    running.gate.set()


def test_a_service_is_well_when_every_graph_has_computed_a_row(service: Service) -> None:
    service.gate.set()
    asyncio.run(service.health_probe.check(SECONDS))
    assert service.rows == [1, 1]


def test_an_engine_that_hangs_is_found_at_the_deadline_while_readyz_is_content(service: Service) -> None:
    async def main() -> int:
        with pytest.raises(NotComputing, match=r"no answer from the engines within 0\.05 seconds"):
            await service.health_probe.check(0.05)
        async with service.client() as client:
            return (await client.get("/readyz")).status_code

    assert asyncio.run(asyncio.wait_for(main(), SECONDS)) == 200
