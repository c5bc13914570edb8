"""Mixed calls of unmodified clients against a server: `python tests/clients/mixed.py URL --calls 10000`.

It prints one JSON object: calls by client and kind, and every failure in words. Calls are drawn from a seed.
"""

import argparse
import asyncio
import importlib
import inspect
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from tests.clients.pool import Pool, fetch

# By name, where a client's calls are and what is installed for them.
CLIENTS: Final = {
    "triton": ("tests.clients.tritonclient_sync", "Triton", "tritonclient"),
    "triton-aio": ("tests.clients.tritonclient_aio", "TritonAio", "tritonclient"),
    "kserve": ("tests.clients.kserve_rest", "Kserve", "kserve"),
}
SHOWN: Final = 20
# Most of what is asked of a server is an inference.
INFER: Final = 6


def main() -> None:
    """Ask, count, tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--models", nargs="+", default=["moons", "circles"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    pools = [fetch(given.url, name) for name in given.models]
    print(json.dumps(run(given.url, pools, given.clients, given.calls, given.seed), indent=1))


def run(url: str, pools: Sequence[Pool], clients: Sequence[str], calls: int, seed: int = 0) -> dict[str, object]:
    """So many calls in all, each client's after the other's, and what came of them."""
    made: Counter[str] = Counter()
    failures: list[str] = []
    began = time.monotonic()
    for place, name in enumerate(clients):
        share = calls // len(clients) + (place < calls % len(clients))
        asyncio.run(_ask(url, pools, name, share, (random.Random(f"{seed} {name}"), made, failures)))
    return {
        "calls": made.total(),
        "failures": len(failures),
        "first_failures": failures[:SHOWN],
        "seconds": round(time.monotonic() - began, 1),
        "versions": {CLIENTS[name][2]: version(CLIENTS[name][2]) for name in clients},
        "kinds": dict(sorted(made.items())),
    }


async def _ask(
    url: str, pools: Sequence[Pool], name: str, calls: int, run: tuple[random.Random, Counter[str], list[str]]
) -> None:
    chance, made, failures = run
    module, kind, _ = CLIENTS[name]
    client = getattr(importlib.import_module(module), kind)(url)
    kinds = [one for one in client.calls for _ in range(INFER if one.startswith("infer") else 1)]
    for _ in range(calls):
        asked = chance.choice(kinds)
        made[f"{name}: {asked}"] += 1
        try:
            done = client.calls[asked](chance.choice(pools), chance)
            if inspect.isawaitable(done):
                await done
        except Exception as error:  # noqa: BLE001  (whatever it is, it is a failure, and the next call is made)
            failures.append(f"{name}: {asked}: {type(error).__name__}: {error}"[:500])
    closed = client.close()
    if inspect.isawaitable(closed):
        await closed


if __name__ == "__main__":
    main()
