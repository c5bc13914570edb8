"""`diffeo inspect`: prints the metadata of a bundle on this disk or of a served model as JSON."""

import argparse
import json
from pathlib import Path
from typing import Final

from diffeo.errors import DiffeoError

from .command import Command

EXAMPLE: Final = """\
  diffeo inspect models/moons/1
  diffeo inspect moons --url http://127.0.0.1:8000"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo inspect`."""
    parser.add_argument("bundle", help="a bundle folder, models/NAME/VERSION; with --url, the name of a model")
    parser.add_argument("--url", help="address of a running service")


def run(options: argparse.Namespace) -> int:
    """Print the metadata."""
    if options.url is not None:
        from diffeo.client.client import Client  # noqa: PLC0415  (a local command needs no HTTP client)

        with Client(options.url) as client:
            content = client.model(options.bundle).describe()
    else:
        from diffeo.bundle.manifest import MANIFEST_NAME  # noqa: PLC0415  (a client-only installation lacks pydantic)
        from diffeo.bundle.read import read  # noqa: PLC0415  (as above)

        path = Path(options.bundle)
        if not (path / MANIFEST_NAME).exists():
            raise DiffeoError(
                f"{path / MANIFEST_NAME} is missing; expected a folder models/NAME/VERSION, or with --url a model name"
            )
        bundle = read(path)
        content = {"digest": bundle.digest, **bundle.manifest.model_dump(mode="json")}
    print(json.dumps(content, indent=2))  # noqa: T201  (the result goes to standard output)
    return 0


INSPECT: Final = Command("inspect", "show columns, certificate and provenance of a bundle", EXAMPLE, add_options, run)
