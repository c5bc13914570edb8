"""Compares diffeo with other model servers: `python -m benchmarks.serving` writes benchmarks/results/serving.md.

All servers serve the same graph under the same load. A whole run takes about 35 minutes on two cores and needs wrk
(`apt-get install wrk`). The other servers are installed under runs/peers on first use. An interrupted run continues
where it stopped. With `--quick` or `--servers` the results go to runs/serving.
"""

import argparse
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tqdm import tqdm

from benchmarks.paths import RESULTS, WORK, bundle
from benchmarks.serving.command_line import choose_servers, exit_on_signal
from benchmarks.serving.conditions import conditions
from benchmarks.serving.load import graphs
from benchmarks.serving.load.wrk import find_wrk
from benchmarks.serving.report import page, plot
from benchmarks.serving.scenarios import fairness, precision, rounds, sampling
from benchmarks.serving.scenarios.results import Pace, Results
from benchmarks.serving.servers import environments
from benchmarks.serving.servers.catalogue import SERVERS, Server
from benchmarks.serving.servers.server_process import NotServing

WHOLE: Final = Pace(rounds=3, warm_up=2, seconds=6)
QUICK: Final = Pace(rounds=1, warm_up=1, seconds=2)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line.

    Attributes:
        quick: one short round; graphs that older code has fitted are used as they are.
        page: the Markdown file; the raw results and the plot lie beside it.
        report: only render the page again from its raw results.
    """

    servers: Sequence[Server]
    pace: Pace
    quick: bool
    page: Path
    report: bool


def main() -> None:
    """Prepare, measure all servers, measure further scenarios of diffeo, write."""
    options = read_options()
    if options.report:
        write(Results.read(options.page.with_suffix(".json")), options.page)
        return
    find_wrk()
    signal.signal(signal.SIGTERM, exit_on_signal)
    for graph in graphs.GRAPHS:
        if not (options.quick and bundle(graph).exists()):
            graphs.fit(graph)
    failures = install(options.servers)
    results = Results.resume(WORK / "unfinished.json", conditions(options.servers, options.pace))
    rounds.measure(results, options.servers, failures, options.pace)
    measure_scenarios(results, options.servers, options.pace)
    results.write(options.page.with_suffix(".json"))
    write(results, options.page)
    results.path.unlink()


def install(servers: Sequence[Server]) -> dict[str, str]:
    """Makes every environment that is needed; returns the reasons of those that failed, by the key of the server."""
    failures: dict[str, str] = {}
    for server in tqdm(servers, desc="environments"):
        if server.environment is None:
            continue
        try:
            environments.make(server.environment)
        except NotServing as error:
            failures[server.key] = str(error)
    return failures


def measure_scenarios(results: Results, servers: Sequence[Server], pace: Pace) -> None:
    """Sampling, fairness and precision: measured with diffeo only, because the other servers do not offer them."""
    ours = next((server for server in servers if server.environment is None), None)
    if ours is not None:
        results.run_scenario("sampling", lambda: sampling.measure(ours, pace))
        results.run_scenario("fairness", lambda: fairness.measure(ours, pace))
        results.run_scenario("precision", lambda: precision.measure(ours, pace))


def write(results: Results, path: Path) -> None:
    """Writes the page and its plot."""
    page.write(results, path)
    plot.draw(results, path.with_suffix(".png"))


def read_options() -> Options:
    """Reads the command line. Only a whole run of all servers writes to benchmarks/results."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="one round with two seconds for each load")
    parser.add_argument(
        "--servers",
        type=partial(choose_servers, servers=SERVERS),
        help=f"comma-separated keys; all: {','.join(SERVERS)}",
    )
    parser.add_argument("--report", action="store_true", help="render the page again from its raw results")
    given = parser.parse_args()
    folder = RESULTS if not given.quick and given.servers is None else WORK
    return Options(
        given.servers or list(SERVERS.values()),
        QUICK if given.quick else WHOLE,
        given.quick,
        folder / "serving.md",
        given.report,
    )


if __name__ == "__main__":
    main()
