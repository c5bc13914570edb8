"""Logarithms of the numbers of each row, with the same bits at every position of the row in its batch.

ONNX Runtime's Log computes packets of up to 16 numbers with one routine, and the numbers after the last packet with
another one, which differs in the last bit. In rows of a multiple of 16 numbers no number is after the last packet.
"""

from typing import Final

import torch
from torch import Tensor

PACKET: Final = 16


def row_log(rows: Tensor) -> Tensor:
    """Positive numbers [B, D], or [B] -> their logarithms; in an exported graph in rows that are filled up with ones.

    >>> row_log(torch.tensor([[1.0, 2.0]]))
    tensor([[0.0000, 0.6931]])
    """
    if not torch.compiler.is_exporting():
        return torch.log(rows)
    return _filled_log(rows.unsqueeze(-1)).squeeze(-1) if rows.dim() == 1 else _filled_log(rows)


def _filled_log(rows: Tensor) -> Tensor:
    width = rows.shape[-1]
    missing = -width % PACKET
    if not missing:
        return torch.log(rows)
    ones = rows.new_ones(()).expand(rows.shape[0], missing)
    logs, _ = torch.split(torch.log(torch.cat((rows, ones), dim=-1)), [width, missing], dim=-1)
    return logs
