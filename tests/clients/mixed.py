"""Makes mixed calls of unmodified clients against a server: `python -m tests.clients.mixed URL --calls 10000`.

It prints one JSON object: the number of calls by client and kind, and the failures. A seed fixes the calls.
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
from typing import Final, TypedDict

from tests.clients.pool import Pool, fetch

# By name of the client: its module, its class, and the installed package.
CLIENTS: Final = {
    "triton": ("tests.clients.tritonclient_sync", "Triton", "tritonclient"),
    "triton-aio": ("tests.clients.tritonclient_aio", "TritonAio", "tritonclient"),
    "kserve": ("tests.clients.kserve_rest", "Kserve", "kserve"),
}
SHOWN_FAILURES: Final = 20
INFER_WEIGHT: Final = 6  # inference is six times as likely as any other kind of call


class Outcome(TypedDict):
    """The printed object."""

    calls: int
    failures: int
    first_failures: list[str]
    seconds: float
    versions: dict[str, str]
    kinds: dict[str, int]


def main() -> None:
    """Make the calls and print the outcome."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--models", nargs="+", default=["moons", "circles"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    pools = [fetch(given.url, name) for name in given.models]
    print(json.dumps(run(given.url, pools, given.clients, given.calls, given.seed), indent=1))


def run(url: str, pools: Sequence[Pool], clients: Sequence[str], calls: int, seed: int = 0) -> Outcome:
    """Makes this number of calls, one client after the other, and returns the outcome."""
    made: Counter[str] = Counter()
    failures: list[str] = []
    started = time.monotonic()
    for index, name in enumerate(clients):
        share = calls // len(clients) + (index < calls % len(clients))
        asyncio.run(_make_calls(url, pools, name, share, (random.Random(f"{seed} {name}"), made, failures)))
    return {
        "calls": made.total(),
        "failures": len(failures),
        "first_failures": failures[:SHOWN_FAILURES],
        "seconds": round(time.monotonic() - started, 1),
        "versions": {CLIENTS[name][2]: version(CLIENTS[name][2]) for name in clients},
        "kinds": dict(sorted(made.items())),
    }


async def _make_calls(
    url: str, pools: Sequence[Pool], name: str, calls: int, run: tuple[random.Random, Counter[str], list[str]]
) -> None:
    chance, made, failures = run
    module, kind, _ = CLIENTS[name]
    client = getattr(importlib.import_module(module), kind)(url)
    kinds = [one for one in client.calls for _ in range(INFER_WEIGHT if one.startswith("infer") else 1)]
    for _ in range(calls):
        kind_of_call = chance.choice(kinds)
        made[f"{name}: {kind_of_call}"] += 1
        try:
            done = client.calls[kind_of_call](chance.choice(pools), chance)
            if inspect.isawaitable(done):
                await done
        except Exception as error:  # noqa: BLE001  (any exception is a failed call; the next call is made)
            failures.append(f"{name}: {kind_of_call}: {type(error).__name__}: {error}"[:500])
    closed = client.close()
    if inspect.isawaitable(closed):
        await closed


if __name__ == "__main__":
    main()
