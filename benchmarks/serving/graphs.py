"""The graphs that everyone serves: our own flows, fitted by the shell's own command and kept under runs/."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from load import Load
from places import HERE, ROOT, WORK, bundle, digest, repository

# Each graph with the loads that are tried on it. The wide one asks one question: what is left of the differences when
# the graph itself is most of the work.
GRAPHS: Final[dict[str, tuple[Load, ...]]] = {
    "flow64": (Load(1, 1), Load(1, 32), Load(64, 32), Load(1024, 8), Load(1024, 8, "npy")),
    "flow512": (Load(1024, 8), Load(1024, 8, "npy")),
}
# Options of the fit, in order of preference: without int8 there is one comparison less.
OPTIONS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {"flow64": ((),), "flow512": (("--int8",), ())}


def fit(graph: str) -> None:
    """See that the bundle is there and was made by this recipe and this code.

    Raises:
        SystemExit: the shell could not fit it, and has said why.
    """
    recipe = HERE / f"{graph}.toml"
    key = WORK / "models" / f"{graph}.key"
    made_by = digest([ROOT / "training", ROOT / "bundle"], recipe.read_text(encoding="utf-8"), repr(OPTIONS[graph]))
    if bundle(graph).exists() and key.exists() and key.read_text(encoding="utf-8") == made_by:
        return
    shutil.rmtree(repository(graph), ignore_errors=True)
    repository(graph).mkdir(parents=True)
    if not any(_fitted(graph, recipe, options) for options in OPTIONS[graph]):
        raise SystemExit(f"diffeo fit {recipe.relative_to(ROOT)} failed")
    key.write_text(made_by, encoding="utf-8")


def _fitted(graph: str, recipe: Path, options: Iterable[str]) -> bool:
    diffeo = str(Path(sys.executable).with_name("diffeo"))
    places = ["--models", str(repository(graph)), "--runs", str(WORK / "fits"), "--device", "cpu"]
    ended = subprocess.run([diffeo, "fit", str(recipe), *places, *options], check=False, stdout=subprocess.DEVNULL)
    return ended.returncode == 0 and bundle(graph).exists()
