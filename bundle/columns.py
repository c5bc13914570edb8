"""Rules of column names: a name is one line of visible text, and no spreadsheet reads it as a formula.

Names stand in the header of csv answers, in logs and on terminals. A name is refused in the manifest and not escaped in
the header, so that a column has one name in every format.
"""

import re
import unicodedata
from typing import Final

# Cc control, Cs surrogate, Zl and Zp line and paragraph separators; of Cf, the marks that change the direction of text.
REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
DIRECTION_MARKS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff")
FORMULA_STARTS: Final = frozenset("=@")
SIGNS: Final = frozenset("+-")
# "-x" and "+log10 p" are names of real columns. A spreadsheet cannot call a function or a command in such text.
SIGNED_NAME: Final = re.compile(r"[+-][\w .]*")


def problem(name: str) -> str | None:
    """Why a column must not have this name; None if it may."""
    for character in name:
        if unicodedata.category(character) in REFUSED_CATEGORIES or character in DIRECTION_MARKS:
            return f"the column {ascii(name)[:80]} holds the control character {character!a}"
    # Spreadsheets read the wide forms of these characters like the narrow ones, and skip spaces before them.
    plain = unicodedata.normalize("NFKC", name).strip()
    if plain[:1] in FORMULA_STARTS or (plain[:1] in SIGNS and not SIGNED_NAME.fullmatch(plain)):
        return f"the column {ascii(name)[:80]} begins like the formula of a spreadsheet; rename it"
    return None
