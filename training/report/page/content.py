"""The content of report.html, as plain arrays and parts of the manifest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffeo.bundle.manifest import Certificate, Provenance
from diffeo.bundle.schema.quality import Quality

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LossCurve:
    """Losses during a fit, in nats per row.

    Attributes:
        unit: of `progress`, such as "step" or "epoch".
        progress: when each loss was measured, ascending.
        train: loss of the training rows.
        validation: loss of the validation rows.
        kept: progress of the weights that were published; None if another model was published.
        floor: entropy of the true distribution, where it is known.
    """

    unit: str
    progress: Sequence[float]
    train: Sequence[float]
    validation: Sequence[float]
    kept: float | None
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class ReportContent:
    """All that report.html shows.

    Attributes:
        name: of the model.
        version: of the model.
        models: the repository folder, as a person types it.
        columns: names of the D columns.
        kinds: of each column in words, such as "whole number"; empty if all are continuous.
        quality: the comparison of the model with its data.
        held_out: rows [m, D].
        samples: rows [k, D].
        log_prob_held_out: of the held-out rows [m], nats.
        log_prob_samples: of the samples [k], nats.
        curve: losses during the fit; None for a model without a fit, such as one Gaussian.
        certificate: measurements of the graphs.
        provenance: recipe, data and versions.
        notes: sentences about reading and fitting, such as how many rows were left out.
    """

    name: str
    version: int
    models: str
    columns: Sequence[str]
    quality: Quality
    held_out: Array
    samples: Array
    log_prob_held_out: Array
    log_prob_samples: Array
    curve: LossCurve | None
    certificate: Certificate
    provenance: Provenance
    kinds: Sequence[str] = ()
    notes: Sequence[str] = ()
