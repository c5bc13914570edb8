"""The wheel installs one package, `diffeo`, and works beside modules of the user with any other name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("bundle", "diffeo", "runtime", "service", "training", "pyproject.toml", "README.md", "LICENSE")
PAGE = "training/report/page/report.html.jinja"
WITHOUT_CACHES = shutil.ignore_patterns("__pycache__")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel unpacks to."""
    source, unpacked = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("unpacked")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=WITHOUT_CACHES)
        else:
            shutil.copy2(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", source / "dist", source], check=True)
    (built,) = (source / "dist").glob("*.whl")
    with ZipFile(built) as archive:
        archive.extractall(unpacked)
    return unpacked


def test_a_wheel_unpacks_to_names_that_begin_with_diffeo(wheel: Path) -> None:
    names = {path.name for path in wheel.iterdir()}
    assert {name for name in names if not name.startswith("diffeo")} == set()
    for room in ("bundle", "runtime", "service", "training"):
        assert (wheel / "diffeo" / room / "__init__.py").is_file()


def test_a_wheel_holds_the_files_beside_the_code(wheel: Path) -> None:
    for name in ("py.typed", "training/recipes/default.toml", "training/study/plan.toml", PAGE):
        assert (wheel / "diffeo" / name).is_file()
    assert list((wheel / "diffeo/training/study/pages").glob("*.jinja"))


@pytest.fixture
def users_folder(tmp_path: Path) -> Path:
    """A folder of the user, with modules that have the names of our rooms."""
    for name in ("service", "runtime", "tables"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('this is the package of the user')\n")
    for name in ("bundle.py", "training.py"):
        (tmp_path / name).write_text("raise RuntimeError('this is the module of the user')\n")
    return tmp_path


def test_a_local_model_works_beside_modules_of_the_user(wheel: Path, users_folder: Path, url: str) -> None:
    program = (
        "import diffeo, numpy\n"
        f"assert diffeo.__file__.startswith({str(wheel)!r}), diffeo.__file__\n"
        f"remote = diffeo.Client({url!r}).model('affine2d')\n"
        "x = remote.sample(5, seed=7)\n"
        "assert numpy.allclose(remote.local().log_prob(x), remote.log_prob(x))\n"
    )
    (users_folder / "program.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(wheel), "DIFFEO_CACHE": str(users_folder / "cache")}
    subprocess.run([sys.executable, "program.py"], cwd=users_folder, env=environment, check=True)


def test_a_type_checker_finds_the_package_in_an_editable_installation(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("from diffeo import Client\n\nreveal_type(Client)\n")
    command: list[str | Path] = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "diffeo.client.client.Client" in done.stdout, done.stdout
    assert "error" not in done.stdout
