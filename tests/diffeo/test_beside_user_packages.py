"""diffeo works in a folder whose modules have the names of diffeo's own rooms: it installs one name, `diffeo`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diffeo import Client

# The content of each of these modules: an import of it by mistake fails.
USER_MODULE = "raise ImportError(f'the module {__name__} of the user was imported')\n"
PROGRAM = """\
import json, sys
from pathlib import Path

from diffeo import Client

with Client(sys.argv[1]) as client:
    model = client.model("affine2d").local(Path("cache"))
log_prob = model.log_prob([[1.0, -2.0], [3.0, 2.0]])
print(json.dumps({"log_prob": log_prob.tolist(), "x": model.sample(3, seed=7).tolist()}))
"""


@pytest.fixture
def user_folder(tmp_path: Path) -> Path:
    """A folder with a package `service` and modules bundle.py, training.py and runtime.py that cannot be imported."""
    (tmp_path / "service").mkdir()
    for name in ("service/__init__.py", "bundle.py", "training.py", "runtime.py"):
        (tmp_path / name).write_text(USER_MODULE)
    return tmp_path


def test_a_local_model_gives_the_numbers_of_the_server_beside_packages_with_the_names_of_our_rooms(
    user_folder: Path, url: str
) -> None:
    # The folder of the user comes first on the path, as for `python program.py`.
    (user_folder / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py", url], cwd=user_folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    local = json.loads(done.stdout)
    with Client(url) as client:
        remote = client.model("affine2d")
        np.testing.assert_array_equal(local["log_prob"], remote.log_prob([[1.0, -2.0], [3.0, 2.0]]))
        np.testing.assert_array_equal(local["x"], remote.sample(3, seed=7))


@pytest.mark.parametrize("command", [["serve", "--help"], ["inspect", "absent"]], ids=" ".join)
def test_the_command_line_works_beside_packages_with_the_names_of_our_rooms(
    user_folder: Path, command: list[str]
) -> None:
    program = f"from diffeo.cli.main import main; main({command})"
    path = os.pathsep.join([str(user_folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=user_folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "of the user was imported" not in done.stdout + done.stderr
    assert "usage: diffeo serve" in done.stdout or "absent/manifest.json is missing" in done.stderr
