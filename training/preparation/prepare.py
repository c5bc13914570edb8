"""Prepares a flow for its fit: its shape from the recipe, its input type and its start from the training rows."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from diffeo.bundle.manifest import Dtype

from .. import export
from ..columns.kinds import WIDE_OFFSET
from ..errors import DataError
from ..flow_section import FlowSection
from ..flows.architecture import Architecture
from ..flows.flow import Flow
from ..recipe import Recipe
from ..source import Dataset
from ..split import Float64
from .base_start import start_base
from .flow_sizes import sized
from .start_rows import start_rows

FITTED: Final = "the fitted flow"
# float32 rounds a number by 6e-8 of it. With this condition number, z of a row is within 1e-4 of the exact one.
MOST_CONDITION: Final = 256.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A fresh flow that the training rows started.

    Attributes:
        name: in words, for the terminal and the report.
        architecture: its shape.
        dtype: input type of its graphs.
        flow: the flow.
    """

    name: str
    architecture: Architecture
    dtype: Dtype
    flow: Flow


def prepare(recipe: Recipe, dataset: Dataset, section: FlowSection | None = None, components: int = 1) -> Prepared:
    """A fresh flow that the training rows start.

    Args:
        recipe: of the fit.
        dataset: its rows.
        section: shape of the flow; None for the first of the recipe.
        components: of the best mixture of the training rows.
    """
    start = start_rows(dataset, recipe.fit.seed)
    # Whole numbers and atoms have the spread of their intervals, also where all of them are equal.
    is_spread = dataset.column_map is not None and dataset.column_map.snaps
    mean, scale = (start.mean(axis=0), start.std(axis=0)) if is_spread else dataset.inputs.moments()
    _check_varied(dataset, scale)
    is_wide = np.max(np.abs(mean) / scale) > WIDE_OFFSET or condition(start) > MOST_CONDITION
    dtype: Dtype = "float64" if is_wide else "float32"
    section = sized(section or recipe.flow, len(dataset.split.train_rows), len(mean), components)
    architecture = section.architecture(len(mean))
    torch.manual_seed(recipe.fit.seed)
    kind = export.TORCH_TYPE[dtype]
    moments = torch.tensor(mean, dtype=kind), torch.tensor(scale, dtype=kind)
    flow = architecture.build(*moments, section.sharpness, torch.from_numpy(start))
    if architecture.components:
        started = start_base(flow, start, architecture.components, recipe.fit.seed)
        architecture = replace(architecture, components=started)
    name = str(architecture) if recipe.alternative else FITTED
    return Prepared(name, architecture, dtype, flow)


def _check_varied(dataset: Dataset, scale: Float64) -> None:
    if constant := [name for name, spread in zip(dataset.columns, scale, strict=True) if not spread > 0]:
        names = ", ".join(map(repr, constant))
        raise DataError(
            f"the training rows hold one value in {names}, and only held-out rows hold others; leave it out with --drop"
        )


def condition(rows: Float64) -> float:
    """The condition number of the map that whitens rows [n, D] with columns of spread 1; at most 1e8.

    A rounding error of x is larger in z by up to this factor.
    """
    standard = (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), np.finfo(np.float64).tiny)
    values = np.linalg.eigvalsh(standard.T @ standard / len(rows))
    return float(np.sqrt(values[-1] / max(values[0], 1e-16 * values[-1])))
