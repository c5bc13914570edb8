"""The folders that benchmarks read and write. Git ignores everything under runs/; results are committed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
BENCHMARKS: Final = ROOT / "benchmarks"
RESULTS: Final = BENCHMARKS / "results"
PEERS: Final = BENCHMARKS / "peers"
ENVIRONMENTS: Final = ROOT / "runs/peers"
WORK: Final = ROOT / "runs/serving"

HASHED_SUFFIXES: Final = {".py", ".toml", ".lua", ".json"}


def repository(graph: str) -> Path:
    """A model repository that holds one graph and nothing else."""
    return WORK / "models" / graph


def bundle(graph: str) -> Path:
    """The bundle of the graph in its repository."""
    return repository(graph) / graph / "1"


def digest(folders: Iterable[Path], *words: str) -> str:
    """Returns a sha256 of the sources in the folders and of the words.

    Two measurements with the same digest were made by the same code and may stand in one table.
    """
    total = hashlib.sha256(repr(words).encode())
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in HASHED_SUFFIXES:
                total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
