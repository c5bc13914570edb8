"""Checks the names of columns: those that the options name must exist, and those that are used must be allowed."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from diffeo.bundle.columns import problem
from diffeo.tables.cells import shown
from diffeo.tables.columns import listed
from diffeo.tables.reading.fault import Fault

from .choices import Choices

LONGEST_OPTION: Final = 150
MAX_NAME: Final = 128  # what a manifest can hold (`diffeo.bundle.manifest`)


def unknown(names: Sequence[str], choices: Choices) -> list[Fault]:
    """A fault for each name in the options that no column has."""
    named = (
        ("--columns", choices.columns),
        ("--drop", choices.drop),
        ("--weights", () if choices.weights is None else (choices.weights,)),
        ("--bounds", tuple(name for name, _ in choices.bounds)),
        ("--integers", choices.integers),
    )
    found: list[Fault] = []
    for option, given in named:
        for name in given:
            if name not in names:
                near = get_close_matches(name, names, 1)
                hint = f"; {shown(near[0])} is near to it" if near else ""
                found.append(Fault(f"{option} names {shown(name)}, and the table has {listed(names)}{hint}", option))
    return found


def not_allowed(names: Sequence[str]) -> list[Fault]:
    """A fault for each of these names that a model cannot have."""
    found: list[Fault] = []
    for name in names:
        if len(name) > MAX_NAME:
            found.append(
                Fault(
                    f"the name {shown(name)} has {len(name)} characters; shorten it to {MAX_NAME}, or leave it out",
                    drop([name]),
                )
            )
        elif reason := problem(name):
            found.append(Fault(f"{reason.removesuffix('; rename it')}; rename it, or leave it out", drop([name])))
    return found


def drop(names: Sequence[str]) -> str:
    r"""The option that leaves these columns out, as a shell takes it.

    >>> drop(["id", "mass, kg"])
    '--drop \'id,"mass, kg"\''
    """
    return f"--drop {quoted(names)}"


def keep(names: Sequence[str]) -> str:
    """The option that uses these columns as they are, as a shell takes it; without a long list of names."""
    option = f"--columns {quoted(names)}"
    return option if len(option) <= LONGEST_OPTION else "--columns with the names of all columns to fit"


def quoted(names: Sequence[str]) -> str:
    """A list of names as the value of an option; it stands in quotes where a shell needs them."""
    import shlex  # noqa: PLC0415  (used here alone)

    # A name with a comma or a quote is quoted as in a CSV text, since the option is a list with commas.
    words = ['"' + name.replace('"', '""') + '"' if any(sign in name for sign in ',"') else name for name in names]
    return shlex.quote(",".join(words))
