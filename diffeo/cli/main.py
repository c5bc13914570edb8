"""`diffeo`: parses the command line, runs one command, and turns its errors into one sentence and an exit code."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Final

from diffeo.bundle.errors import BundleError
from diffeo.errors import DiffeoError

from .command import Command
from .fit import CERTIFY, FIT
from .inspect_bundle import INSPECT
from .key import KEY
from .rows import LOG_PROB, SAMPLE, TRANSFORM
from .serve import SERVE
from .study import STUDY

COMMANDS: Final[dict[str, Command]] = {
    command.name: command for command in (SERVE, KEY, SAMPLE, LOG_PROB, TRANSFORM, INSPECT, FIT, CERTIFY, STUDY)
}

# Keeps the line breaks of the examples, and short flags on one line with their help.
FORMATTER: Final = partial(argparse.RawDescriptionHelpFormatter, max_help_position=28)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 on success, 1 after an error, which is printed as one sentence, 130 after Ctrl-C. A wrong
        command line exits with 2.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # The main parser has no options that take a value, so the first word that is a command is the command.
    command = next((COMMANDS[word] for word in arguments if word in COMMANDS), None)
    # A command that prints how to continue repeats the arguments as they were typed.
    options = argparse.Namespace(arguments=tuple(arguments))
    try:
        options = _parser(command).parse_args(arguments, options)
        code = COMMANDS[options.command].run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail(getattr(options, "interrupted", "interrupted"), 130)
    except BrokenPipeError:
        # The reader of standard output ended early, as `head` does. Without this, Python prints an error at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        if command is None:
            raise
        return _fail(f"diffeo {command.name}: {_what_to_install(error.name or '', command.name)}", 1)
    except Exception as error:
        if command is None or not isinstance(error, _expected_errors()):
            raise
        return _fail(f"diffeo {command.name}: {error}", 1)
    return code


def _parser(command: Command | None) -> argparse.ArgumentParser:
    """The parser of the command line. Only the used command adds its options, because `serve` imports the service."""
    parser = argparse.ArgumentParser(
        "diffeo",
        description="Fit normalizing flows, certify and serve them, and compute exact densities and samples.",
        epilog="`diffeo COMMAND --help` shows the options of a command and examples.",
        formatter_class=FORMATTER,
    )
    parser.add_argument("--version", action="version", version=f"diffeo {version('diffeo')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for each in COMMANDS.values():
        subparser = subparsers.add_parser(
            each.name,
            help=each.summary,
            description=f"{each.summary[0].upper()}{each.summary[1:]}.",
            epilog=f"examples:\n{each.example}",
            formatter_class=FORMATTER,
        )
        if each is command:
            each.add_options(subparser)
    return parser


def _what_to_install(module: str, command: str) -> str:
    package = module.partition(".")[0]
    # The engine torchscript is part of the service but needs torch, which the extra `train` installs.
    if command in {"fit", "certify", "study"} or package == "torch":
        extra = "train"
    elif package == "ray":
        extra = "ray"
    else:
        extra = "serve" if command == "serve" else "local"
    return f"needs {package}; pip install 'diffeo[{extra}]'"


def _expected_errors() -> tuple[type[Exception], ...]:
    """The base classes of the errors that have a message for the user.

    A module that is not loaded cannot have raised an error, so only the errors of loaded rooms are imported.
    """
    expected: list[type[Exception]] = [DiffeoError, BundleError]
    if "diffeo.runtime.errors" in sys.modules:
        from diffeo.runtime.errors import EngineError  # noqa: PLC0415

        expected.append(EngineError)
    if "diffeo.service.errors" in sys.modules:
        from diffeo.service.errors import ServiceError  # noqa: PLC0415

        expected.append(ServiceError)
    if "diffeo.training.errors" in sys.modules:
        from diffeo.training.errors import TrainingError  # noqa: PLC0415

        expected.append(TrainingError)
    return tuple(expected)


def _fail(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201  (errors go to standard error)
    return code
