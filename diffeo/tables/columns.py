"""The rule for columns: a table with column names is matched by name, a table without names by position."""

from collections.abc import Sequence
from typing import Final

from .errors import WrongColumns

# The longest list of names in an error sentence, and the longest name in it.
LIST_CHARACTERS: Final = 90
NAME_CHARACTERS: Final = 40
# If a table has one name with one of these in it, its cells are probably not separated by commas.
SEPARATORS: Final = frozenset(";\t|")


def positions(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The position of each wanted column among the named columns of a table; other columns are left out.

    Names compare exactly after the white space around them is removed.

    >>> positions(["id", "weight", " height"], ["height", "weight"])
    [2, 1]

    Raises:
        WrongColumns: a wanted column is missing, or two columns have its name.
    """
    given, needed = [name.strip() for name in names], [name.strip() for name in wanted]
    first_position: dict[str, int] = {}
    repeated: set[str] = set()
    for position, name in enumerate(given):
        if name in first_position:
            repeated.add(name)
        else:
            first_position[name] = position
    missing = [name for name in needed if name not in first_position]
    if missing:
        has, takes = listed(given), listed(needed)
        hint = "; separate cells by commas" if len(given) == 1 and SEPARATORS & set(given[0]) else ""
        raise WrongColumns(f"the table has {has}; the model takes {takes}; missing: {listed(missing)}{hint}")
    for name in needed:
        if name in repeated:
            raise WrongColumns(f"the table names the column {listed([name])} twice; the model takes {listed(needed)}")
    return [first_position[name] for name in needed]


def check_width(width: int, wanted: Sequence[str]) -> None:
    """Check the number of columns of a table without names, which is read by position.

    Raises:
        WrongColumns: the table has more or fewer columns than are wanted.
    """
    if width != len(wanted):
        raise WrongColumns(
            f"the table has {width} columns without names; the model takes {len(wanted)}: {listed(wanted)}"
        )


def apart(names: Sequence[str], taken: Sequence[str]) -> tuple[str, ...]:
    """The names of computed columns, beside the columns of a table: a name that the table has gets the suffix _1.

    So a model may have a column log_prob, and a file that diffeo writes has each name once: the column of the model
    keeps its name. If the table has the name with the suffix too, the suffix is _2, and so on.

    >>> apart(["z0", "log_prob"], ["log_prob", "height"])
    ('z0', 'log_prob_1')
    """
    found: list[str] = []
    for name in names:
        own, number = name, 0
        while own in taken or own in found:
            number += 1
            own = f"{name}_{number}"
        found.append(own)
    return tuple(found)


def listed(names: Sequence[str]) -> str:
    """The names with commas between them; a long list is cut, so that an error sentence stays short.

    >>> listed(["height", "weight"])
    'height, weight'
    """
    text = ""
    for name in names:
        word = name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 3]}..."
        if len(text) + len(word) > LIST_CHARACTERS:
            return f"{text}, ... ({len(names)} in all)"
        text = f"{text}, {word}" if text else word
    return text or "no columns"
