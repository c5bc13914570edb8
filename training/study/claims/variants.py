"""The variants of A that claims 6 and 7 compare, with their names in tables and plots."""

from ..results import Results, Value


def variants(chosen: Results) -> dict[str, Results]:
    """The rows of each variant of A, by its name."""
    learned = chosen.where(det=None)
    found = {"A = I": learned.where(block=0)}
    found |= {
        f"A learned, blocks of {block}": learned.where(block=block) for block in learned.distinct("block") if block
    }
    found |= {f"det A = {plain(det)}": chosen.where(det=det) for det in chosen.distinct("det")}
    return {name: rows for name, rows in found.items() if len(rows)}


def plain(det: Value) -> str:
    """A determinant without trailing zeros, for example `0.01` or `10`."""
    return f"{float(det or 0):g}"
