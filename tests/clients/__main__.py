"""10,000 mixed calls of unmodified clients against a server of our own; the outcome becomes benchmarks/clients.md."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.given.servers.server_process import Server

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / "runs/clients/bin/python"
PAGE: Final = ROOT / "benchmarks/clients.md"


def main() -> None:
    """Start the server, ask it, write the page; the exit code tells whether a call failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    server = Server(ROOT / "models", DIFFEO_WORKERS=str(given.workers), DIFFEO_LOG_LEVEL="warning")
    try:
        command = [str(PYTHON), "-m", "tests.clients.mixed", server.url, "--calls", str(given.calls)]
        outcome = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    finally:
        server.stop()
    print(json.dumps(outcome, indent=1))
    PAGE.write_text(page(outcome, given.workers), encoding="utf-8")
    sys.exit(1 if outcome["failures"] else 0)


def page(outcome: dict, workers: int) -> str:
    """What was asked and what came of it."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(outcome["versions"].items()))
    rows = [f"| {kind} | {count:,} |" for kind, count in outcome["kinds"].items()]
    clients = {kind.partition(":")[0] for kind in outcome["kinds"]}
    return f"""# Clients of the Open Inference Protocol

`make clients` installs {versions} as they are published, starts
`diffeo serve --workers {workers}` over `models/` and makes calls drawn from a seed by {len(clients)} clients: each
answer is compared with that of the native API, each error with its status and sentence. Inputs and outputs are each
JSON or bytes by chance, bodies plain, gzip or deflate.

**{outcome["failures"]} failures in {outcome["calls"]:,} calls**, in {outcome["seconds"]:.0f} s.

| client: what it asks | calls |
|---|---|
{chr(10).join(rows)}

"several at once" and "async_infer" are four and three requests a call.
"""


if __name__ == "__main__":
    main()
