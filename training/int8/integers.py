"""Weights become integers such that their products with the rows they will meet move least, not they themselves.

One weight is rounded after the other, and those not rounded yet take over its error as far as the rows allow: on rows
that span few directions, nearly all of it.

Reference: Frantar et al. (2023), GPTQ, sec. 3, arXiv:2210.17323.
"""

from typing import Final

import torch
from torch import Tensor

from ..flows.rounded_product import WEIGHT_LIMIT

# Share of the mean square of a feature that is added to each, so that what the rows leave open stays bounded.
DAMPING: Final = 0.01


def integers_of(weight: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Integers in -64 .. 64, and what one step is worth for each output.

    Args:
        weight: [outputs, features].
        rows: whole numbers that the weights will be multiplied with, [rows, features].

    Returns:
        integers [outputs, features] and unit [outputs], for weight = unit * integers.
    """
    unit = weight.abs().amax(dim=1).clamp_min(torch.finfo(weight.dtype).tiny) / WEIGHT_LIMIT
    shares = _shares(rows)
    left = weight / unit[:, None]
    result = torch.zeros_like(weight)
    for k, share in enumerate(shares):
        result[:, k] = torch.round(left[:, k]).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        left[:, k:] -= torch.outer(left[:, k] - result[:, k], share[k:])
    return result, unit


def _shares(rows: Tensor) -> Tensor:
    """[features, features]; row k says how much of an error in weight k each later weight takes over."""
    square = rows.T @ rows
    # Rows are whole numbers; 1 keeps rows of zeros from having no inverse.
    square += (DAMPING * square.diagonal().mean()).clamp_min(1) * torch.eye(len(square), dtype=rows.dtype)
    upper: Tensor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(square)), upper=True)
    return upper / upper.diagonal()[:, None]
