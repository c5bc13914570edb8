"""Clients that send a request with much work and reset the connection before its answer."""

import asyncio
import json
import random
import socket
from typing import Final

from tests.reliability.corpus.case import post
from tests.reliability.corpus.play import RESET
from tests.reliability.soak.questions import STABLE

CONNECTIONS: Final = 8
MOST_WAIT_SECONDS: Final = 0.02
ROWS: Final = 20_000
REQUESTS: Final = (
    post("/sample", json.dumps({"model": STABLE, "num_samples": ROWS}).encode()),
    post(f"/sample?model={STABLE}&num_samples={ROWS}&format=csv", b"", None),
    post("/log_prob", json.dumps({"model": STABLE, "x": [[0.5, 0.5]] * 3000}).encode()),
    post("/log_prob", json.dumps({"model": STABLE, "x": [[0.5, 0.5]]}).encode()),
)


async def storm(host: str, port: int, count: int, seed: int) -> None:
    """Reset so many connections, each at a random time after its request was sent whole or in part."""
    rng = random.Random(seed)
    remaining = iter(range(count))

    async def client() -> None:
        for _ in remaining:
            await _reset_one(host, port, rng)

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


async def _reset_one(host: str, port: int, rng: random.Random) -> None:
    _, writer = await asyncio.open_connection(host, port)
    request = rng.choice(REQUESTS)
    writer.write(request[: rng.randrange(len(request))] if rng.random() < 0.2 else request)
    await asyncio.sleep(rng.random() * MOST_WAIT_SECONDS)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
