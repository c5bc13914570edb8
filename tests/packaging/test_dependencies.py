"""Installed packages are pinned by version and hash, images by full version; none is below a known fault."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).parents[2]
LISTS: Final = sorted((ROOT / "deploy/requirements").glob("*.txt"))
HASHES: Final = r"(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+"
ENTRY: Final = re.compile(rf"^([A-Za-z0-9_.-]+)==(\S+)(?: ;[^\\]*)? \\\n{HASHES}", re.MULTILINE)
PIN: Final = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)$", re.MULTILINE)
IMAGE: Final = re.compile(r"^ARG BASE=(\S+)|^\s+image: \$\{\w+:-(\S+)\}", re.MULTILINE)
FULL_VERSION: Final = re.compile(r"[a-z/]+:v?\d+\.\d+\.\d+(-[a-z-]+)?(@sha256:[0-9a-f]{64})?")
# Below these, a published fault reaches the service: what the service parses, and what fits and certifies models.
FLOORS: Final = {
    "starlette": "1.3.1",  # Host in request.url (PYSEC-2026-161), ranges (CVE-2025-62727), forms (CVE-2026-54283)
    "h11": "0.16.0",  # chunked bodies (CVE-2025-43859)
    "orjson": "3.11.6",  # recursion (CVE-2024-27454, CVE-2025-67221)
    "pyarrow": "14.0.1",  # extension types that run code (CVE-2023-47248)
    "uvicorn": "0.11.7",  # control characters in logs and headers (CVE-2020-7694, CVE-2020-7695)
    "onnx": "1.21.0",  # external data outside of the folder (CVE-2026-34447)
    "torch": "2.10.0",  # checkpoints that run code (CVE-2025-32434, CVE-2026-24747)
}
# Parses forms, which the service never reads.
ABSENT: Final = "python-multipart"


def entries(path: Path) -> dict[str, str]:
    return {canonicalize_name(name): number for name, number in ENTRY.findall(path.read_text(encoding="utf-8"))}


def pins() -> dict[str, str]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return {canonicalize_name(name): number for name, number in PIN.findall(text)}


@pytest.mark.parametrize(("package", "lowest"), FLOORS.items())
def test_no_installed_package_is_below_its_floor(package: str, lowest: str) -> None:
    assert Version(version(package)) >= Version(lowest)
    assert Version(pins()[package]) >= Version(lowest)


def test_the_floors_of_the_serving_packages_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {each.name: each.specifier for each in map(Requirement, project["optional-dependencies"]["serve"])}
    for package in ("starlette", "h11", "orjson", "pyarrow", "uvicorn"):
        (lowest,) = [Version(each.version) for each in declared[package] if each.operator == ">="]
        assert lowest >= Version(FLOORS[package])


def test_nothing_that_reads_forms_is_installed() -> None:
    with pytest.raises(PackageNotFoundError):
        version(ABSENT)
    assert all(ABSENT not in entries(path) for path in LISTS)


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_a_list_names_each_package_with_the_version_of_the_constraints_and_its_hashes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = entries(path)
    assert found
    assert len(found) == len(re.findall(r"==", text))
    # Nothing but entries and the first line: no address of a server, and no option.
    assert ENTRY.sub("", text) == text.splitlines(keepends=True)[0]
    known = pins()
    assert {name: number for name, number in found.items() if name in known} == {
        name: known[name] for name in found if name in known
    }


def needed(package: str, extra: str) -> set[str]:
    """The packages that an installation of `package[extra]` needs here."""
    found: set[str] = set()
    waiting = [(package, extra)]
    while waiting:
        name, wanted = waiting.pop()
        for line in requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                dependency = canonicalize_name(requirement.name)
                # diffeo[serve] names no other extra of itself.
                if dependency not in found:
                    found.add(dependency)
                    waiting += [(dependency, each) for each in (*requirement.extras, "")]
    return found


def test_the_list_of_the_serving_image_has_all_that_the_service_needs_and_nothing_of_the_training() -> None:
    listed = entries(ROOT / "deploy/requirements/serve.txt").keys()
    assert needed("diffeo", "serve") <= listed
    assert not listed & {"torch", "onnx", "scikit-learn", "matplotlib", "ray", "setuptools"}


@pytest.mark.parametrize("file", ["Dockerfile", "docker-compose.yml"])
def test_every_image_of_others_is_named_by_its_full_version(file: str) -> None:
    images = [first or second for first, second in IMAGE.findall((ROOT / file).read_text(encoding="utf-8"))]
    assert len(images) == {"Dockerfile": 1, "docker-compose.yml": 3}[file]
    assert [image for image in images if not FULL_VERSION.fullmatch(image)] == []


def test_no_service_of_the_compose_file_runs_as_root_or_gets_capabilities() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert re.findall(r'user: "(?:\$\{\w+:-)?(\d+):', text) == ["10001", "1000", "65534"]
    assert "cap_add" not in text
