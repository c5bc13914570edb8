"""Starts the compose project over a folder of models, with its own project name and ports, and removes it again."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx

from tests.given.servers.server_process import free_port

ROOT: Final = Path(__file__).parents[3]
PROJECT: Final = "diffeo-test"
STARTUP_SECONDS: Final = 120


def missing() -> str | None:
    """The reason why compose cannot run on this machine; None if it can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    if not _runs(["docker", "info"]):
        return "no Docker engine answers"
    return None if _command() else "neither docker compose nor docker-compose is installed"


def _command() -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and _runs([*command, "version"]):
            return command
    return []


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Compose:
    """The compose project over the folder `models`; its trainer reads recipes from `tables`."""

    def __init__(self, models: Path, tables: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.prometheus = f"http://127.0.0.1:{(monitor := free_port())}"
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "DIFFEO_MODELS": str(models),
            "DIFFEO_TABLES": str(tables),
            "DIFFEO_PUBLISH": f"127.0.0.1:{port}",
            "PROMETHEUS_PUBLISH": f"127.0.0.1:{monitor}",
        }

    def run(self, *arguments: str, **environment: str) -> str:
        """Run one compose command and return its output."""
        done = subprocess.run(
            [*_command(), *arguments],
            cwd=ROOT,
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"compose {' '.join(arguments)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the serving container."""
        arguments = ["docker", "exec", self.container("diffeo"), *command]
        return subprocess.run(arguments, capture_output=True, text=True, check=False)

    def container(self, service: str) -> str:
        """The id of a service's container, running or not."""
        filters = [f"label=com.docker.compose.project={PROJECT}", f"label=com.docker.compose.service={service}"]
        arguments = [part for one in filters for part in ("--filter", one)]
        listed = subprocess.run(["docker", "ps", "-aq", *arguments], capture_output=True, text=True, check=True)
        return listed.stdout.split()[0]

    def inspect(self, service: str) -> dict[str, object]:
        """The description of a service's container by the Docker engine."""
        done = subprocess.run(["docker", "inspect", self.container(service)], capture_output=True, check=True)
        return dict(json.loads(done.stdout)[0])

    def wait(self, holds: Callable[[], bool], seconds: float = STARTUP_SECONDS) -> float:
        """Wait until `holds` returns True; the seconds that it took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            try:
                if holds():
                    return time.monotonic() - began
            except (httpx.TransportError, KeyError, IndexError):
                pass
            time.sleep(0.1)
        raise TimeoutError(
            f"the condition did not become true within {seconds:g} s:\n{self.run('logs', '--tail', '50')}"
        )

    def down(self) -> None:
        """Stop and remove all containers."""
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "5")
