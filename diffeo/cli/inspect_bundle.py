"""`diffeo inspect`: summarises a bundle on this disk or a served model; `--json` prints all metadata."""

import argparse
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from diffeo.errors import DiffeoError

from . import summary
from .command import Command

EXAMPLE: Final = """\
  diffeo inspect models/moons/1
  diffeo inspect models/moons/1 --json
  diffeo inspect moons --url http://127.0.0.1:8000"""
REPORT: Final = "report.html"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo inspect`."""
    parser.add_argument("bundle", help="a bundle folder, models/NAME/VERSION; with --url, the name of a model")
    parser.add_argument("--url", help="address of a running service")
    parser.add_argument("--json", action="store_true", help="print all metadata as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the summary, or the metadata as JSON."""
    content = _served(options.url, options.bundle) if options.url is not None else _on_disk(Path(options.bundle))
    if options.json:
        print(json.dumps(content, indent=2))  # noqa: T201  (the result goes to standard output)
        return 0
    shown = _of_service(content, options) if options.url is not None else _of_folder(content, Path(options.bundle))
    print("\n".join(shown))  # noqa: T201  (as above)
    return 0


def _served(url: str, model: str) -> Mapping[str, Any]:
    from diffeo.client.client import Client  # noqa: PLC0415  (a local command needs no HTTP client)

    with Client(url) as client:
        return client.model(model).describe()


def _on_disk(path: Path) -> Mapping[str, Any]:
    from diffeo.bundle.manifest import MANIFEST_NAME  # noqa: PLC0415  (a client-only installation lacks pydantic)
    from diffeo.bundle.read import read  # noqa: PLC0415  (as above)

    if not (path / MANIFEST_NAME).exists():
        raise DiffeoError(
            f"{path / MANIFEST_NAME} is missing; expected a folder models/NAME/VERSION, or with --url a model name"
        )
    bundle = read(path)
    return {"digest": bundle.digest, **bundle.manifest.model_dump(mode="json")}


def _of_service(content: Mapping[str, Any], options: argparse.Namespace) -> Iterator[str]:
    """The lines about a served model: its versions, the newest one, and commands."""
    newest = content.get("newest")
    yield f"{content['model']}, served at {options.url}"
    for each in content["versions"]:
        reason = f": {each['reason']}" if each.get("reason") else ""
        yield summary.line(f"version {each['version']}", f"{each['state']}{reason}")
    if newest is not None:
        yield ""
        yield f"version {newest['version']}"
        yield from summary.lines(newest)
    chosen = f"--model {content['model']} --url {shlex.quote(options.url)}"
    yield from _next(
        f"diffeo sample {chosen} -n 5",
        f"diffeo log-prob rows.csv {chosen}",
        f"diffeo inspect {content['model']} --url {shlex.quote(options.url)} --json",
    )


def _of_folder(content: Mapping[str, Any], path: Path) -> Iterator[str]:
    """The lines about a bundle on this disk: its content, its report, and commands."""
    folder = path.resolve()
    name, version, models = folder.parent.name, folder.name, _as_typed(folder.parents[1])
    yield f"{name}, version {version}: {path}"
    yield from summary.lines(content)
    page = folder.with_name(f"{version}.report") / REPORT
    found = page if page.exists() else page.parent
    if found.exists():
        yield summary.line("report", _as_typed(found))
    chosen = f"--model {name} --version {version} --models {shlex.quote(models)}"
    yield from _next(
        f"diffeo sample {chosen} -n 5",
        f"diffeo log-prob rows.csv {chosen}",
        f"diffeo serve --models {shlex.quote(models)}",
        f"diffeo inspect {shlex.quote(str(path))} --json",
    )


def _as_typed(path: Path) -> str:
    """The path as a person types it in the working folder."""
    here = Path.cwd().resolve()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _next(*commands: str) -> Iterator[str]:
    yield ""
    yield "next:"
    yield from (f"  {command}" for command in commands)


INSPECT: Final = Command(
    "inspect", "summarise a bundle: columns, loss, checks, certificate and provenance", EXAMPLE, add_options, run
)
