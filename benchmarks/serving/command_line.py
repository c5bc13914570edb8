"""The parts of a command line that the serving and the Ray benchmark share."""

import argparse
from collections.abc import Mapping
from typing import NoReturn

from benchmarks.serving.servers.catalogue import Server


def choose_servers(keys: str, servers: Mapping[str, Server]) -> list[Server]:
    """The servers with these comma-separated keys.

    Raises:
        ArgumentTypeError: a key is unknown.
    """
    unknown = [key for key in keys.split(",") if key not in servers]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown server {', '.join(unknown)}; the servers are {', '.join(servers)}")
    return [servers[key] for key in keys.split(",")]


def exit_on_signal(*_: object) -> NoReturn:
    """Handles SIGTERM: raises SystemExit, so that the running server is stopped."""
    raise SystemExit(1)
