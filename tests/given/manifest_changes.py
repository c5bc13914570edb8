"""Changes a manifest.json and computes its seal again, as an attacker who knows the format would."""

import json
from collections.abc import Callable
from pathlib import Path

from diffeo.bundle.read import seal

Key = str | int
Change = Callable[[object], None]


def put(*path: Key, value: object) -> Change:
    """Set the value at a path."""

    def change(content: object) -> None:
        parent, key = value_at(content, *path[:-1]), path[-1]
        if isinstance(parent, list) and isinstance(key, int):
            parent[key] = value
        else:
            assert isinstance(parent, dict)
            parent[key] = value

    return change


def drop(*path: Key) -> Change:
    """Remove the value at a path."""

    def change(content: object) -> None:
        parent, key = value_at(content, *path[:-1]), path[-1]
        if isinstance(parent, list) and isinstance(key, int):
            del parent[key]
        else:
            assert isinstance(parent, dict)
            del parent[key]

    return change


def copy(source: tuple[Key, ...], target: tuple[Key, ...]) -> Change:
    """Copy the value at one path to another path."""
    return lambda content: put(*target, value=value_at(content, *source))(content)


def value_at(content: object, *path: Key) -> object:
    for key in path:
        if isinstance(content, list) and isinstance(key, int):
            content = content[key]
        else:
            assert isinstance(content, dict)
            content = content[key]
    return content


def reseal(folder: Path, change: Change) -> None:
    """Change the manifest of a bundle and write its seal again."""
    content: object = json.loads((folder / "manifest.json").read_bytes())
    change(content)
    text = json.dumps(content).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sha256").write_bytes(seal(text))
