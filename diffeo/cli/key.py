"""`diffeo key`: makes an API key, and the line by which the service knows it."""

import argparse
import sys
from typing import Final

from .command import Command

EXAMPLE: Final = """\
  diffeo key alice >> keys.txt
  diffeo key dashboard --scope admin >> keys.txt
  diffeo key bob --rows-per-second 1000 >> keys.txt
  diffeo serve --api-keys-file keys.txt"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `diffeo key`."""
    parser.add_argument("name", type=_name, help="who uses the key; logs and metrics show it")
    parser.add_argument(
        "--scope", choices=["read", "admin"], default="read", help="what the key allows (default: %(default)s)"
    )
    parser.add_argument("--rows-per-second", type=_rate, help="quota of the key (default: none)")


def run(options: argparse.Namespace) -> int:
    """Print the key to standard error, and its line to standard output, which a file can take."""
    from diffeo.service.security.api_keys import KeyScope, new_key  # noqa: PLC0415  (only this command needs it)

    secret, key = new_key(options.name, KeyScope(options.scope), options.rows_per_second)
    print(f"The key of {key.name}, which is shown only now: {secret}", file=sys.stderr)  # noqa: T201  (for a person)
    print(key.line)  # noqa: T201  (the result goes to standard output)
    return 0


def _name(text: str) -> str:
    from diffeo.service.security.api_keys import NAME  # noqa: PLC0415  (as above)

    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected 1 to 64 letters, digits, - or _, not {text}")
    return text


def _rate(text: str) -> int:
    from diffeo.service.security.api_keys import RATE  # noqa: PLC0415  (as above)

    if not RATE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not {text}")
    return int(text)


KEY: Final = Command("key", "make an API key, and the line by which a service knows it", EXAMPLE, add_options, run)
