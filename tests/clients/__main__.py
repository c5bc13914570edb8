"""Runs 10,000 mixed calls of unmodified clients against a server: `python -m tests.clients` writes the results page."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.clients.mixed import Outcome
from tests.given.servers.server_process import Server

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / "runs/clients/bin/python"
PAGE: Final = ROOT / "benchmarks/results/clients.md"


def main() -> None:
    """Start the server, make the calls, write the page. The exit code is 1 if a call failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    server = Server(ROOT / "models", DIFFEO_WORKERS=str(given.workers), DIFFEO_LOG_LEVEL="warning")
    try:
        command = [str(PYTHON), "-m", "tests.clients.mixed", server.url, "--calls", str(given.calls)]
        outcome: Outcome = json.loads(
            subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        )
    finally:
        server.stop()
    print(json.dumps(outcome, indent=1))
    PAGE.write_text(page(outcome, given.workers), encoding="utf-8")
    sys.exit(1 if outcome["failures"] else 0)


def page(outcome: Outcome, workers: int) -> str:
    """The number of calls and failures, by client and kind of call, as Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(outcome["versions"].items()))
    rows = [f"| {kind} | {count:,} |" for kind, count in outcome["kinds"].items()]
    clients = {kind.partition(":")[0] for kind in outcome["kinds"]}
    return f"""# Clients of the Open Inference Protocol

`make clients` installs {versions} unmodified, starts
`diffeo serve --workers {workers}` over `models/` and makes random calls with {len(clients)} clients; a seed fixes the
calls. Each answer is compared with that of the native API, each error with its expected status and sentence. Inputs and
outputs are JSON or bytes at random; bodies are plain, gzip or deflate.

**{outcome["failures"]} failures in {outcome["calls"]:,} calls**, in {outcome["seconds"]:.0f} s.

| client: kind of call | calls |
|---|---|
{chr(10).join(rows)}

A call of "several at once" makes four requests, a call of "async_infer" three.
"""


if __name__ == "__main__":
    main()
