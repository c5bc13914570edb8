"""The spline of a coupling in a fit: from raw numbers to z and its slope in one compiled step, with its derivatives."""

import functools
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Layout(NamedTuple):
    """The constants of a spline.

    Attributes:
        bins: K.
        bound: the outer knots are at -bound and bound, in x and in z.
        limit: the raw numbers are limited as r = limit * tanh(raw / limit).
        least: no piece is narrower or lower than this share of an even one.
    """

    bins: int
    bound: float
    limit: float
    least: float


def fused_spline(x: Tensor, raw: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Numbers x and raw numbers -> z, log(dz/dx); both have gradients.

    Args:
        x: [B, columns], on the processor.
        raw: K logits of widths, K of heights and K + 1 doubled logarithms of slopes [B, columns, 3 K + 1].
        layout: of the spline.
    """
    z, log_slope = _FusedSpline.apply(x, raw, layout)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return z, log_slope


class _FusedSpline(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, raw: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:  # noqa: ANN401  (torch's)
        from . import kernels  # noqa: PLC0415  (the compiler is imported by fits only)

        # limit tanh(raw / limit) = limit (2 sigmoid(2 raw / limit) - 1); torch's tanh takes four times as long.
        sigmoid = torch.sigmoid(raw * (2 / layout.limit))
        factors = _factors(layout, raw.dtype)
        powers = torch.exp(torch.addcmul(-factors, sigmoid, factors, value=2.0))
        x = x.contiguous()
        z, log_slope = torch.empty_like(x), torch.empty_like(x)
        flat = powers.view(-1, powers.shape[-1])
        kernels.coupling_forward(_array(x), flat.numpy(), layout.bound, layout.least, _array(z), _array(log_slope))
        ctx.save_for_backward(x, sigmoid, powers)
        ctx.layout = layout
        return z, log_slope

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_z: Tensor, of_log: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401  (torch's)
        from . import kernels  # noqa: PLC0415

        x, sigmoid, powers = ctx.saved_tensors
        layout: Layout = ctx.layout
        of_x, of_r = torch.empty_like(x), torch.empty_like(powers)
        kernels.coupling_backward(
            _array(x),
            powers.view(-1, powers.shape[-1]).numpy(),
            layout.bound,
            layout.least,
            _array(of_z.contiguous()),
            _array(of_log.contiguous()),
            _array(of_x),
            of_r.view(-1, powers.shape[-1]).numpy(),
        )
        return of_x, of_r * (sigmoid - sigmoid * sigmoid) * 4.0, None  # dr/draw = 4 sigmoid (1 - sigmoid)


def _array(rows: Tensor) -> Any:  # noqa: ANN401  (an array of the type of the rows)
    return rows.detach().view(-1).numpy()


def power_factors(bins: int, limit: float) -> list[float]:
    """The largest logarithm of each power: the limit for 2 K logits, and half of it for K + 1 doubled logarithms."""
    return [limit] * (2 * bins) + [0.5 * limit] * (bins + 1)


@functools.cache
def _factors(layout: Layout, dtype: torch.dtype) -> Tensor:
    return torch.tensor(power_factors(layout.bins, layout.limit), dtype=dtype)
