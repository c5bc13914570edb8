"""The numbers that a recipe leaves to the table: the Gaussians of a base, and what keeps a fit from overfitting."""

from typing import Final

from ..flow_section import FlowSection
from ..recipe import FitSection

# The more columns, the more rows a flow needs: a table counts as one of ten columns with as many rows for each.
COLUMNS: Final = 10
# Couplings. In many columns a pair needs more of them to stand on both sides of one: 16 columns gained 0.6 nats.
LAYERS: Final = 6
LAYERS_OF_MANY: Final = 8
MANY_COLUMNS: Final = 12
# Few rows are learnt by heart, very few even more. From trials on parts of three tables, one seed each.
FEW_ROWS: Final = 25_000
VERY_FEW_ROWS: Final = 8_000
DROPOUT: Final = 0.5
NOISE: Final = 0.15
WEIGHT_DECAY: Final = 0.1
USUAL_WEIGHT_DECAY: Final = 1e-4
# Rows for each number of a covariance, at least; fewer would make a component of a few rows.
ROWS_OF_NUMBER: Final = 2
# With so many rows for each component, twice as many as in the best mixture are better once they are trained on.
ROWS_TO_DOUBLE: Final = 5_000


def sized(section: FlowSection, rows: int, columns: int, components: int) -> FlowSection:
    """The section with numbers in place of "auto".

    >>> section = FlowSection(layers="auto", hidden=96, residual=True, components="auto", dropout="auto", noise="auto")
    >>> chosen = sized(section, rows=10_000, columns=10, components=32)
    >>> chosen.layers, chosen.components, chosen.dropout, chosen.noise
    (6, 32, 0.5, 0.0)

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
    if section.layers == "auto":
        chosen["layers"] = LAYERS_OF_MANY if columns > MANY_COLUMNS else LAYERS
    size = rows * COLUMNS / columns
    if section.dropout == "auto":
        chosen["dropout"] = DROPOUT if size < FEW_ROWS else 0.0
    if section.noise == "auto":
        chosen["noise"] = NOISE if size < VERY_FEW_ROWS else 0.0
    return section.model_copy(update=chosen)


def regularised(settings: FitSection, rows: int, columns: int) -> FitSection:
    """The optimisation with a number in place of "auto".

    >>> settings = FitSection(batch=256, learning_rate=4e-3, weight_decay="auto")
    >>> [regularised(settings, rows, columns=10).weight_decay for rows in (10_000, 100_000)]
    [0.1, 0.0001]

    Args:
        settings: of a recipe.
        rows: training rows.
        columns: D.
    """
    if settings.weight_decay != "auto":
        return settings
    decay = WEIGHT_DECAY if rows * COLUMNS / columns < FEW_ROWS else USUAL_WEIGHT_DECAY
    return settings.model_copy(update={"weight_decay": decay})
