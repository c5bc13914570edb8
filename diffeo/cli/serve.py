"""`diffeo serve`: one flag for each setting of the service, with the setting's own type, default and description."""

import argparse
import json
from pathlib import Path
from typing import Final, Literal, get_args, get_origin

from .command import Command

EXAMPLE: Final = """\
  diffeo serve --models models --port 8000
  diffeo serve --execution-providers cuda,cpu --workers 1
  DIFFEO_PORT=9000 diffeo serve"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting, and --ray."""
    from diffeo.service.settings import Settings, default_text  # noqa: PLC0415  (only this command imports the service)

    for name, field in Settings.model_fields.items():
        text = f"{field.description} (default: {default_text(name)}; variable: DIFFEO_{name.upper()})"
        # argparse expands % in help texts.
        _add_flag(parser, f"--{name.replace('_', '-')}", field.annotation, text.replace("%", "%%"))
    parser.add_argument("--ray", action="store_true", help="run in replicas of Ray Serve; needs diffeo[ray]")


def run(options: argparse.Namespace) -> int:
    """Serve a repository over HTTP until the process is stopped."""
    from diffeo.service.settings import Settings, read_settings  # noqa: PLC0415  (as above)

    if options.ray:
        from diffeo.service.process import ray_environment  # noqa: PLC0415  (as above)

        # Ray reads its environment variables when it is imported.
        ray_environment.prepare()
        from diffeo.service.process.ray_app import run as run_server  # noqa: PLC0415  (as above)
    else:
        from diffeo.service.process.server import serve as run_server  # noqa: PLC0415  (as above)
    flags = {name: value for name, value in vars(options).items() if name in Settings.model_fields}
    # A flag that is not given leaves the setting to the environment or to its default.
    run_server(read_settings({name: value for name, value in flags.items() if value is not None}))
    return 0


def _add_flag(parser: argparse.ArgumentParser, flag: str, annotation: object, text: str) -> None:
    if get_origin(annotation) is Literal:
        parser.add_argument(flag, choices=get_args(annotation), help=text)
    elif annotation is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
    elif annotation is int:
        parser.add_argument(flag, type=int, help=text)
    elif annotation is float:
        parser.add_argument(flag, type=float, help=text)
    elif annotation is Path:
        parser.add_argument(flag, type=Path, help=text)
    elif get_origin(annotation) is dict:
        parser.add_argument(flag, type=json.loads, metavar="JSON", help=text)
    else:
        parser.add_argument(flag, help=text)


SERVE: Final = Command("serve", "serve the models of a repository folder over HTTP", EXAMPLE, add_options, run)
