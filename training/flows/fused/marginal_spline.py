"""The splines of columns in a fit, with knots that are the same for every row, and their derivatives."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def fused_marginal(x: Tensor, knots: Tensor, pieces: Tensor) -> tuple[Tensor, Tensor]:
    """x [B, D] -> z [B, D], log(dz/dx) [B, D], with gradients for x and for the pieces.

    Args:
        x: rows on the processor.
        knots: ascending [D, K + 1]; they select the piece, and the pieces hold the same numbers with their gradients.
        pieces: six numbers of each piece [D * K, 6] (`diffeo.training.flows.splines.rational_quadratic.Piece`).
    """
    z, log_slope = _FusedMarginal.apply(x, knots, pieces)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return z, log_slope


class _FusedMarginal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, knots: Tensor, pieces: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401  (torch's)
        from . import kernels  # noqa: PLC0415  (the compiler is imported by fits only)

        x = x.detach().contiguous()
        z, log_slope = torch.empty_like(x), torch.empty_like(x)
        place = np.empty(x.shape, np.int64)
        kernels.marginal_forward(
            x.numpy(), knots.detach().numpy(), pieces.detach().numpy(), place, z.numpy(), log_slope.numpy()
        )
        ctx.save_for_backward(x, pieces)
        ctx.place = place
        return z, log_slope

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_z: Tensor, of_log: Tensor) -> tuple[Tensor, None, Tensor]:  # noqa: ANN401  (torch's)
        from . import kernels  # noqa: PLC0415

        x, pieces = ctx.saved_tensors
        of_x, of_pieces = torch.empty_like(x), np.zeros(pieces.shape)
        kernels.marginal_backward(
            x.numpy(),
            pieces.detach().numpy(),
            ctx.place,
            of_z.contiguous().numpy(),
            of_log.contiguous().numpy(),
            of_x.numpy(),
            of_pieces,
        )
        return of_x, None, torch.from_numpy(of_pieces).to(pieces.dtype)
