"""`Command`: one subcommand of `diffeo`, with its help, its options and the function that runs it."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand of `diffeo`.

    Attributes:
        name: the word on the command line.
        summary: what the command does, one line for `diffeo --help`.
        example: command lines that the command's own --help shows at its end.
        add_options: adds the options to the parser of this command; called only when the command is used.
        run: runs the command and returns its exit code.
    """

    name: str
    summary: str
    example: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def whole_number(text: str) -> int:
    """The value of an option that counts something: 1 or more.

    Raises:
        ArgumentTypeError: the number is smaller.
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
