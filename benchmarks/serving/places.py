"""Where things lie: what is measured in the tree, what is made for it under runs/, which git ignores."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ROOT / "benchmarks"
HERE: Final = PAGES / "serving"
PEERS: Final = PAGES / "peers"
ENVIRONMENTS: Final = ROOT / "runs/peers"
WORK: Final = ROOT / "runs/serving"


def repository(graph: str) -> Path:
    """The folder of models that holds one graph and nothing else."""
    return WORK / "models" / graph


def bundle(graph: str) -> Path:
    """The bundle in it."""
    return repository(graph) / graph / "1"


def digest(folders: Iterable[Path], *words: str) -> str:
    """sha256 of the sources in folders, and of words: what a kept figure was made with."""
    total = hashlib.sha256(repr(words).encode())
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".toml", ".lua", ".json"}:
                total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
