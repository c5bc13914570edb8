"""One virtual environment per peer, made on first use and again when what it holds has changed."""

import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from places import ENVIRONMENTS, PEERS
from processes import NotServing, reason
from servers import ONE_RUNTIME, Environment

# No peer needs torch, whose default build is larger than all of them; one that came to need it fails here and says so.
WITHOUT: Final = "torch<0\n"
PACKAGES: Final = "lib/python*/site-packages"


def make(environment: Environment) -> None:
    """See that the environment is there and whole.

    Raises:
        NotServing: it cannot be installed.
    """
    folder = ENVIRONMENTS / environment.name
    wanted = "\n".join((*environment.packages, *ONE_RUNTIME, _at_start(environment)))
    made = folder / "made"
    if made.exists() and made.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    constraints, log = folder / "constraints.txt", folder / "log"
    constraints.write_text(WITHOUT, encoding="utf-8")
    run([sys.executable, "-m", "venv", str(folder)], log)
    install = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*install, "--constraint", str(constraints), *environment.packages, *ONE_RUNTIME], log)
    for packages in folder.glob(PACKAGES):
        (packages / "sitecustomize.py").write_text(_at_start(environment), encoding="utf-8")
    made.write_text(wanted, encoding="utf-8")


def _at_start(environment: Environment) -> str:
    return "" if environment.at_start is None else (PEERS / environment.at_start).read_text(encoding="utf-8")


def run(command: list[str], log: Path) -> None:
    """One step of an installation."""
    with log.open("ab") as output:
        ended = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        raise NotServing(f"not installed: {reason(log)}")


def versions(environment: Environment) -> dict[str, str]:
    """What was installed by name, with its version."""
    places = [str(path) for path in (ENVIRONMENTS / environment.name).glob(PACKAGES)]
    found = {entry.name.lower(): entry.version for entry in distributions(path=places)}
    names = [package.partition("==")[0].partition("[")[0] for package in (*environment.packages, *ONE_RUNTIME)]
    return {name: found[name] for name in names if name in found}
