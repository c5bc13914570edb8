"""A matrix product in 8-bit integers with a separate scale for each row, so that rows do not affect each other."""

from typing import Final

import torch
from torch import Tensor, nn

LEVELS: Final = 255  # of an activation, unsigned
# Processors without a dot product of bytes add two products of activation and weight in 16 bits, and saturate there:
# 2 * 255 * 64 = 32,640 < 2^15. So all processors compute the same integers.
WEIGHT_LIMIT: Final = 64
# The scale of a row of zeros, for which any positive number is right.
LEAST_SCALE: Final = 1e-30


class RoundedProduct(nn.Module):
    """y = s * unit * (r W) + bias, with r = round(h / s) in 0 .. 255 and s = max(h) / 255 of each row; h >= 0.

    Nothing is clipped: a row with large activations gets a large scale.

    Args:
        weight: W [features, outputs], integers in -64 .. 64.
        unit: the value of one step of W, [outputs].
        bias: [outputs].
    """

    weight: Tensor
    unit: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, unit: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.to(torch.int8))
        self.register_buffer("unit", unit)
        self.register_buffer("bias", bias)

    def forward(self, h: Tensor) -> Tensor:
        """h [B, features] -> y [B, outputs]."""
        scale = row_scale(h)
        product = self._as_nodes(h, scale) if torch.onnx.is_in_onnx_export() else self._as_numbers(h, scale)
        return product * self.unit + self.bias

    def _as_numbers(self, h: Tensor, scale: Tensor) -> Tensor:
        return (rounded(h, scale) @ self.weight.to(h.dtype)) * scale[:, None]

    def _as_nodes(self, h: Tensor, scale: Tensor) -> Tensor:
        shape = (h.shape[0], self.weight.shape[1])
        node = torch.onnx.ops.symbolic
        r = node("QuantizeLinear", (h, scale), {"axis": 0}, dtype=torch.uint8, shape=h.shape)
        total = node("MatMulInteger", (r, self.weight), dtype=torch.int32, shape=shape)
        return node("DequantizeLinear", (total, scale), {"axis": 0}, dtype=h.dtype, shape=shape)


def row_scale(h: Tensor) -> Tensor:
    """The value of one integer step of each row's activations; h [B, features] -> [B]."""
    return torch.clamp_min(h.amax(dim=-1) / LEVELS, LEAST_SCALE)


def rounded(h: Tensor, scale: Tensor) -> Tensor:
    """Activations h [B, features] in steps of their row's scale [B]: whole numbers in 0 .. 255.

    >>> h = torch.tensor([[0.0, 1.0, 255.0], [0.0, 0.1, 0.2]])
    >>> rounded(h, row_scale(h))
    tensor([[  0.,   1., 255.],
            [  0., 128., 255.]])
    """
    return torch.round(h / scale[:, None]).clamp(0, LEVELS)
