"""The rooms of the code: no import in a circle or upwards, at most 15 modules a folder, each file in a contract."""

import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "tests/architecture/contracts.toml"
ROOMS = ("benchmarks", "bundle", "diffeo", "runtime", "service", "tests", "training")
MOST_MODULES = 15


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("diffeo", cache_dir=None)


def packages(graph: grimp.ImportGraph) -> list[str]:
    """Every package that has at least two modules or packages in it."""
    parents = Counter(module.rpartition(".")[0] for module in graph.modules if "." in module)
    return sorted(package for package, children in parents.items() if children > 1)


def test_no_two_folders_or_files_import_each_other_in_a_circle(graph: grimp.ImportGraph) -> None:
    circles = {package: breakers for package in packages(graph) if (breakers := graph.nominate_cycle_breakers(package))}
    assert circles == {}


def test_a_contract_names_every_file(graph: grimp.ImportGraph) -> None:
    contracts = tomllib.loads(CONTRACTS.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layered = [contract for contract in contracts if contract["type"] == "layers" and contract["exhaustive"]]
    assert sorted(container for contract in layered for container in contract["containers"]) == packages(graph)


def test_every_import_goes_down() -> None:
    command: list[str | Path] = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", CONTRACTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_folder_has_more_than_fifteen_modules_beside_its_subfolders() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in files)
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}
