"""The sum over columns, with the same bits wherever a row stands in its batch.

Never a reduction: ONNX Runtime's ReduceSum groups the terms by the memory address of the row where D is not a power of
two, so that a row's last bit would depend on its neighbours.
"""

import torch
from torch import Tensor


def row_sum(rows: Tensor) -> Tensor:
    """rows [B, D] -> [B]: a product with ones; in a graph sums of halves, which are the same to rounding.

    ONNX Runtime takes longer for a product with one column than for a whole hidden layer.
    """
    return _halved(rows) if torch.compiler.is_exporting() else rows @ rows.new_ones(rows.shape[-1])


def _halved(rows: Tensor) -> Tensor:
    width = rows.shape[-1]
    while width > 1:
        half = width // 2
        first, second, odd = torch.split(rows, [half, half, width % 2], dim=-1)
        rows = torch.cat((first + second, odd), dim=-1) if width % 2 else first + second
        width = half + width % 2
    return rows.squeeze(-1)
