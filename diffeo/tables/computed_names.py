"""The names of the columns that diffeo computes, in every file that it writes beside the columns of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from diffeo.density import latent_columns

from .columns import apart


@dataclass(frozen=True, slots=True)
class ComputedNames:
    """The names of computed columns, none of which is a name of the model's columns.

    Attributes:
        z: a name for each column of z.
        log_prob: the name of the log density, in a tuple.
        log_abs_det_jacobian: the name of the log|det|, in a tuple.
    """

    z: tuple[str, ...]
    log_prob: tuple[str, ...]
    log_abs_det_jacobian: tuple[str, ...]


def computed_names(columns: tuple[str, ...], kept: Sequence[str] = ()) -> ComputedNames:
    """The names of the columns that are computed by a model with these columns.

    >>> computed_names(("z0", "height")).z
    ('z0_1', 'z1')

    Args:
        columns: the columns of the model.
        kept: further columns of the same file.
    """
    taken = [*columns, *kept]
    return ComputedNames(
        apart(latent_columns(columns), taken), apart(["log_prob"], taken), apart(["log_abs_det_jacobian"], taken)
    )
