"""Our server beside others, the same graph under the same load: `python -m benchmarks.serving` writes serving.md.

A whole run takes about 35 minutes on two cores and needs wrk (`apt-get install wrk`); the peers are installed under
runs/peers on first use. A run that was cut goes on where it stopped. `--quick` and `--servers` write to runs/serving.
"""

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import environments
import fairness
import graphs
import load
import picture
import precision
import report
import rounds
import sampling
from conditions import conditions
from places import PAGES, WORK, bundle
from processes import NotServing
from results import Pace, Results
from servers import SERVERS, Server
from tqdm import tqdm

WHOLE: Final = Pace(rounds=3, warm_up=2, seconds=6)
QUICK: Final = Pace(rounds=1, warm_up=1, seconds=2)


def main() -> None:
    """Prepare, compare, look closer at ours, write."""
    options = read_options()
    page = (PAGES if options.whole else WORK) / "serving.md"
    if options.report:
        write(Results.read(page.with_suffix(".json")), page)
        return
    load.wrk()
    signal.signal(signal.SIGTERM, leave)
    for graph in graphs.GRAPHS:
        # A try is content with graphs that older code has fitted.
        if not (options.quick and bundle(graph).exists()):
            graphs.fit(graph)
    faults = install(options.servers)
    results = Results.go_on(WORK / "unfinished.json", conditions(options.servers, options.pace))
    rounds.measure(results, options.servers, faults, options.pace)
    look_closer(results, options.servers, options.pace)
    results.write(page.with_suffix(".json"))
    write(results, page)
    results.path.unlink()


def install(servers: Sequence[Server]) -> dict[str, str]:
    """Every environment that is needed; the reasons of those that could not be made, by the server's key."""
    faults: dict[str, str] = {}
    for server in tqdm([server for server in servers if server.environment], desc="environments"):
        try:
            environments.make(server.environment)
        except NotServing as fault:
            faults[server.key] = str(fault)
    return faults


def look_closer(results: Results, servers: Sequence[Server], pace: Pace) -> None:
    """What no peer is asked for: samples, crowds, lower precision, from the first of ours."""
    ours = next((server for server in servers if server.environment is None), None)
    if ours is not None:
        results.run("sampling", lambda: sampling.samples(ours, pace))
        results.run("fairness", lambda: fairness.companies(ours, pace))
        results.run("precision", lambda: precision.scored(ours, pace))


def write(results: Results, page: Path) -> None:
    """The page and its picture."""
    report.write(results, page)
    picture.draw(results, page.with_suffix(".png"))


def read_options() -> argparse.Namespace:
    """The command line; `whole` is a run whose results are kept in the tree."""
    parser = argparse.ArgumentParser("python benchmarks/serving", description="Our server beside others.")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds a load, into runs/serving")
    parser.add_argument("--servers", type=chosen, help=f"some of {','.join(SERVERS)}; into runs/serving")
    parser.add_argument("--report", action="store_true", help="write the page again from its figures; run nothing")
    options = parser.parse_args()
    options.whole = not options.quick and options.servers is None
    options.pace = QUICK if options.quick else WHOLE
    options.servers = options.servers or list(SERVERS.values())
    return options


def chosen(keys: str) -> list[Server]:
    """Servers by their keys."""
    unknown = [key for key in keys.split(",") if key not in SERVERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no server {', '.join(unknown)}; there are {', '.join(SERVERS)}")
    return [SERVERS[key] for key in keys.split(",")]


def leave(*_: object) -> NoReturn:
    """SIGTERM: unwind, which ends what was started."""
    raise SystemExit(1)


if __name__ == "__main__":
    main()
