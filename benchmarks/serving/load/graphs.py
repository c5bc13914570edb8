"""The graphs that every server serves, and the loads on each: small flows, fitted with `diffeo fit` under runs/."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from benchmarks.paths import ROOT, WORK, bundle, digest, repository
from benchmarks.serving.load.wrk import Load

# flow512 answers one question: how much of the differences is left when the graph itself is most of the work.
GRAPHS: Final[dict[str, tuple[Load, ...]]] = {
    "flow64": (Load(1, 1), Load(1, 32), Load(64, 32), Load(1024, 8), Load(1024, 8, "npy")),
    "flow512": (Load(1024, 8), Load(1024, 8, "npy")),
}
# Options of `diffeo fit`, in order of preference. If --int8 fails, the comparison with int8 is left out.
FIT_OPTIONS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {"flow64": ((),), "flow512": (("--int8",), ())}


def fit(graph: str) -> None:
    """Fits the graph's bundle unless it exists and was made by the same recipe and code.

    Raises:
        SystemExit: `diffeo fit` failed; it has printed the reason.
    """
    recipe = Path(__file__).with_name(f"{graph}.toml")
    digest_file = WORK / "models" / f"{graph}.key"
    made_by = digest([ROOT / "training", ROOT / "bundle"], recipe.read_text(encoding="utf-8"), repr(FIT_OPTIONS[graph]))
    if bundle(graph).exists() and digest_file.exists() and digest_file.read_text(encoding="utf-8") == made_by:
        return
    shutil.rmtree(repository(graph), ignore_errors=True)
    repository(graph).mkdir(parents=True)
    if not any(_fit_succeeds(graph, recipe, options) for options in FIT_OPTIONS[graph]):
        raise SystemExit(f"diffeo fit {recipe.relative_to(ROOT)} failed")
    digest_file.write_text(made_by, encoding="utf-8")


def _fit_succeeds(graph: str, recipe: Path, options: Iterable[str]) -> bool:
    diffeo = str(Path(sys.executable).with_name("diffeo"))
    folders = ["--models", str(repository(graph)), "--runs", str(WORK / "fits"), "--device", "cpu"]
    ended = subprocess.run([diffeo, "fit", str(recipe), *folders, *options], check=False, stdout=subprocess.DEVNULL)
    return ended.returncode == 0 and bundle(graph).exists()
