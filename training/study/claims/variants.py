"""The variants of A that claims 6 and 7 compare, by the names that tables and figures use."""

from ..results import Results, Value


def variants(chosen: Results) -> dict[str, Results]:
    """The rows of each variant of A, by its name."""
    free = chosen.where(det=None)
    found = {"A = I": free.where(block=0)}
    found |= {f"A learned, blocks of {block}": free.where(block=block) for block in free.distinct("block") if block}
    found |= {f"det A = {plain(det)}": chosen.where(det=det) for det in chosen.distinct("det")}
    return {name: rows for name, rows in found.items() if len(rows)}


def plain(det: Value) -> str:
    """A determinant as a person writes it."""
    return f"{float(det or 0):g}"
