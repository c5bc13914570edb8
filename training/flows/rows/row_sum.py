"""Sums over the columns of each row, with the same bits at every position of the row in its batch.

A reduction cannot be used: if D is not a power of two, ONNX Runtime's ReduceSum groups the terms by the memory address
of the row, and the last bit of a row would depend on the rows beside it.
"""

import torch
from torch import Tensor


def row_sum(rows: Tensor) -> Tensor:
    """rows [B, D] -> [B]: a product with ones; in an exported graph repeated sums of two halves.

    The two differ by rounding only. In ONNX Runtime a product with one column takes longer than a whole hidden layer.

    >>> row_sum(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    tensor([ 6., 15.])
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
