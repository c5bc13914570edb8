"""Rounds weights to integers and keeps their products with given rows, rather than the weights themselves.

The weights of an output are rounded one after the other. The weights that are still to be rounded compensate the error
of the rounded ones, as far as the rows allow; on rows that span few directions they compensate nearly all of it.

Reference: Frantar et al. (2023), GPTQ, sec. 3, arXiv:2210.17323.
"""

from typing import Final

import torch
from torch import Tensor

from .rounded_product import WEIGHT_LIMIT

# This share of the mean square of a feature is added to every feature, so that directions without rows stay bounded.
DAMPING: Final = 0.01


def integer_weights(weight: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Integers in -64 .. 64, and the value of one integer step for each output.

    Args:
        weight: [outputs, features].
        rows: whole numbers that the weights will be multiplied with, [rows, features].

    Returns:
        integers [outputs, features] and unit [outputs], for weight = unit * integers.
    """
    unit = weight.abs().amax(dim=1).clamp_min(torch.finfo(weight.dtype).tiny) / WEIGHT_LIMIT
    shares = _compensation(rows)
    left = weight / unit[:, None]
    result = torch.zeros_like(weight)
    for k, share in enumerate(shares):
        result[:, k] = torch.round(left[:, k]).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        left[:, k:] -= torch.outer(left[:, k] - result[:, k], share[k:])
    return result, unit


def _compensation(rows: Tensor) -> Tensor:
    """[features, features]; row k holds the share of an error in weight k that each later weight compensates."""
    square = rows.T @ rows
    # Rows are whole numbers; adding at least 1 keeps the matrix invertible when all rows are zero.
    square += (DAMPING * square.diagonal().mean()).clamp_min(1) * torch.eye(len(square), dtype=rows.dtype)
    upper: Tensor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(square)), upper=True)
    return upper / upper.diagonal()[:, None]
