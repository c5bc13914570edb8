"""The numbers of a flow that a recipe leaves to the table: how many Gaussians its base has, and how much dropout."""

from typing import Final

from ..recipe import FlowSection

# Rows of a table of ten columns, and the dropout for fewer. From trials on parts of two tables, one seed each.
DROPOUT: Final = ((25_000, 0.5),)
COLUMNS: Final = 10
# Rows for each number of a covariance, at least; fewer would make a component of a few rows.
ROWS_OF_NUMBER: Final = 2
# With so many rows for each component, twice as many as in the best mixture are better once they are trained on.
ROWS_TO_DOUBLE: Final = 5_000


def sized(section: FlowSection, rows: int, columns: int, components: int) -> FlowSection:
    """The section with numbers in place of "auto".

    >>> section = FlowSection(layers=6, hidden=96, residual=True, components="auto", dropout="auto")
    >>> chosen = sized(section, rows=10_000, columns=10, components=32)
    >>> chosen.components, chosen.dropout
    (32, 0.5)

    Args:
        section: of a recipe.
        rows: training rows.
        columns: D.
        components: of the best mixture of the training rows.
    """
    chosen: dict[str, object] = {}
    if section.components == "auto":
        # One Gaussian is what a linear map makes of a standard normal.
        few = min(components, rows // (ROWS_OF_NUMBER * (columns + 1)))
        chosen["components"] = 0 if few <= 1 else 2 * few if rows >= ROWS_TO_DOUBLE * few else few
    if section.dropout == "auto":
        chosen["dropout"] = dropout(rows, columns)
    return section.model_copy(update=chosen)


def dropout(rows: int, columns: int) -> float:
    """The dropout for a table; the more columns, the more rows a flow needs.

    >>> dropout(10_000, columns=10), dropout(10_000, columns=2)
    (0.5, 0.0)
    """
    share = rows * COLUMNS / columns
    return next((value for most, value in DROPOUT if share < most), 0.0)
