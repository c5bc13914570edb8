"""Makes one virtual environment per peer, on first use and again when its packages have changed."""

import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from benchmarks.paths import ENVIRONMENTS, PEERS
from benchmarks.serving.servers.catalogue import RUNTIME_PACKAGES, Environment
from benchmarks.serving.servers.server_process import NotServing, last_error

# No peer needs torch, and its default build is larger than all peers together. If a peer comes to need it, pip fails.
CONSTRAINTS: Final = "torch<0\n"
SITE_PACKAGES: Final = "lib/python*/site-packages"


def make(environment: Environment) -> None:
    """Makes the environment unless it exists with exactly these packages.

    Raises:
        NotServing: pip could not install it.
    """
    folder = ENVIRONMENTS / environment.name
    wanted = "\n".join((*environment.packages, *RUNTIME_PACKAGES, _startup_code(environment)))
    marker = folder / "made"
    if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    constraints, log = folder / "constraints.txt", folder / "log"
    constraints.write_text(CONSTRAINTS, encoding="utf-8")
    run([sys.executable, "-m", "venv", str(folder)], log)
    install = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*install, "--constraint", str(constraints), *environment.packages, *RUNTIME_PACKAGES], log)
    for packages in folder.glob(SITE_PACKAGES):
        (packages / "sitecustomize.py").write_text(_startup_code(environment), encoding="utf-8")
    marker.write_text(wanted, encoding="utf-8")


def _startup_code(environment: Environment) -> str:
    return "" if environment.startup_file is None else (PEERS / environment.startup_file).read_text(encoding="utf-8")


def run(command: list[str], log: Path) -> None:
    """Runs one step of an installation and appends its output to the log.

    Raises:
        NotServing: the command failed.
    """
    with log.open("ab") as output:
        ended = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        raise NotServing(f"not installed: {last_error(log)}")


def versions(environment: Environment) -> dict[str, str]:
    """Versions of the packages that were installed by name."""
    folders = [str(path) for path in (ENVIRONMENTS / environment.name).glob(SITE_PACKAGES)]
    found = {entry.name.lower(): entry.version for entry in distributions(path=folders)}
    names = [package.partition("==")[0].partition("[")[0] for package in (*environment.packages, *RUNTIME_PACKAGES)]
    return {name: found[name] for name in names if name in found}
