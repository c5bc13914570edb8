"""The numbers of a flow that a recipe leaves to the table: how many Gaussians its base has, and how much dropout."""

from typing import Final

from ..recipe import FlowSection

# Rows of a table of ten columns, and the dropout for fewer. A first guess from a few trials on three tables.
DROPOUT: Final = ((3_000, 0.3), (12_000, 0.2), (30_000, 0.1))
COLUMNS: Final = 10
# Rows for each number of a covariance, at least; fewer would make a component of a few rows.
ROWS_OF_NUMBER: Final = 2


def sized(section: FlowSection, rows: int, columns: int, components: int) -> FlowSection:
    """The section with numbers in place of "auto".

    >>> section = FlowSection(layers=6, hidden=96, residual=True, components="auto", dropout="auto")
    >>> chosen = sized(section, rows=10_000, columns=10, components=32)
    >>> chosen.components, chosen.dropout
    (32, 0.2)

    Args:
        section: of a recipe.
        rows: training rows.
        columns: D.
        components: of the best mixture of the training rows.
    """
    chosen: dict[str, object] = {}
    if section.components == "auto":
        # One Gaussian is what a linear map makes of a standard normal.
        most = rows // (ROWS_OF_NUMBER * (columns + 1))
        chosen["components"] = min(components, most) if min(components, most) > 1 else 0
    if section.dropout == "auto":
        chosen["dropout"] = dropout(rows, columns)
    return section.model_copy(update=chosen)


def dropout(rows: int, columns: int) -> float:
    """The dropout for a table; the more columns, the more rows a flow needs.

    >>> [dropout(rows, 10) for rows in (1_000, 10_000, 25_000, 100_000)]
    [0.3, 0.2, 0.1, 0.0]
    """
    share = rows * COLUMNS / columns
    return next((value for most, value in DROPOUT if share < most), 0.0)
