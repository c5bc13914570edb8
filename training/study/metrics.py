"""What a fitted flow is judged by: likelihood, samples beside data, digits lost, and the matrices inside it."""

import copy
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from diffeo.bundle import base

from ..errors import IllConditioned
from ..flows.flow import Flow, standard_normal_log_prob
from ..flows.matrix import BlockTriangular
from .populations import Population

Array = npt.NDArray[np.float64]
Figures = dict[str, float]

SAMPLE_SEED: Final = 20_260_101
SAMPLE_ROWS: Final = 20_000
NEIGHBOUR_ROWS: Final = 2_000
NEIGHBOURS: Final = 5
ROUND_TRIP_ROWS: Final = 5_000
WORST: Final = 1_000
BLOCK_ROWS: Final = 512  # 1,024 units in float64 then stay in the cache


def likelihood(flow: Flow, rows: Population) -> Figures:
    """Test loss, nats a row; KL(truth || model), its standard error, what the worst rows add; mean log|det dz/dx|.

    In float64. The worst rows are one in a thousand: a flow that is steep somewhere can lose on them what it gained on
    all others.
    """
    exact = copy.deepcopy(flow).double()
    z, ladj = _in_blocks(exact.forward, torch.from_numpy(rows.test))
    log_prob: Array = (standard_normal_log_prob(z) + ladj).numpy()
    figures = {"nll": float(-log_prob.mean()), "mean_ladj": float(ladj.mean())}
    if rows.truth is not None:
        gap = rows.truth - log_prob
        figures |= {"kl": float(gap.mean()), "kl_error": float(gap.std() / np.sqrt(len(gap)))}
        figures["kl_tail"] = float(np.sort(gap)[-len(gap) // WORST :].sum() / len(gap))
    return figures


def samples(flow: Flow, columns: int) -> tuple[Array, float]:
    """Rows drawn from the flow, and their entropy: the mean of -log p of the flow's own samples, nats."""
    exact = copy.deepcopy(flow).double()
    z = torch.from_numpy(base.draw(SAMPLE_SEED, 0, SAMPLE_ROWS, columns).astype(np.float64))
    x, ladj = _in_blocks(exact.inverse, z)
    return x.numpy(), float((ladj - standard_normal_log_prob(z)).mean())


def neighbourhoods(real: Array, drawn: Array) -> Figures:
    """Coverage and density of drawn rows among the k-nearest-neighbour balls of real rows, in units of the data.

    Coverage: share of real rows whose ball holds a drawn row; 1 - 2^-k for the true law. Density: mean number of balls
    that a drawn row lies in, over k; 1 for the true law, more when samples crowd where data are dense.

    Reference: Naeem et al. (2020), Reliable fidelity and diversity metrics, sec. 3.2, arXiv:2002.09797.
    """
    scale = real.std(axis=0)
    real, drawn = (rows[:NEIGHBOUR_ROWS] / scale for rows in (real, drawn))
    among = np.sort(cdist(real, real), axis=1)
    radius = among[:, min(NEIGHBOURS, len(real) - 1)]  # the first is the row itself
    inside = cdist(real, drawn) < radius[:, None]  # [real, drawn]
    density = inside.sum() / (NEIGHBOURS * drawn.shape[0])
    return {"coverage": float(inside.any(axis=1).mean()), "density": float(density)}


def digits(flow: Flow, rows: Array) -> Figures:
    """Worst float32 errors over the rows: x -> z -> x in standard deviations, and log p against float64 in nats."""
    held = torch.tensor(rows[:ROUND_TRIP_ROWS], dtype=torch.float32)
    exact = copy.deepcopy(flow).double().log_prob(held.double())
    served, refused = _as_served(flow)
    z, _ = served.forward(held)
    back = served.inverse(z)[0]
    error = (back - held).abs() / held.std(dim=0)
    return {
        "round_trip": float(error.nan_to_num(torch.inf).max()),
        "log_prob_error": float((served.log_prob(held) - exact).abs().nan_to_num(torch.inf).max()),
        "refused": float(refused),
    }


def matrices(flow: Flow) -> Figures:
    """The matrices A of a flow: worst condition number, sum of log|det A|, and how far its diagonals are from that."""
    found = [module for module in copy.deepcopy(flow).double().modules() if isinstance(module, BlockTriangular)]
    if not found:
        return {"condition": 1.0, "log_det_a": 0.0, "diagonal_error": 0.0}
    whole = [matrix.forward() for matrix in found]
    read = torch.stack([matrix.log_abs_det() for matrix in found])
    diagonals = torch.stack([torch.log(torch.diagonal(a).abs()).sum() for a in whole])
    return {
        "condition": max(float(torch.linalg.cond(a)) for a in whole),
        "log_det_a": float(read.sum()),
        "diagonal_error": float((diagonals - read).abs().max()),
    }


def views(flow: Flow, rows: Array, drawn: Array, count: int) -> dict[str, npt.NDArray[np.float32]]:
    """Points for the coursework's two pictures: data, z = f(data), samples."""
    z, _ = flow.forward(torch.tensor(rows[:count], dtype=torch.float32))
    points = {"data": rows[:count], "z": z.numpy(), "samples": drawn[:count]}
    return {name: value.astype(np.float32) for name, value in points.items()}


def _in_blocks(function: Callable[[Tensor], tuple[Tensor, Tensor]], rows: Tensor) -> tuple[Tensor, Tensor]:
    images, ladjs = zip(*(function(block) for block in torch.split(rows, BLOCK_ROWS)), strict=True)
    return torch.cat(images), torch.cat(ladjs)


def _as_served(flow: Flow) -> tuple[Flow, bool]:
    try:
        return flow.frozen(), False
    except IllConditioned:
        return flow, True


def tensor(rows: Array) -> Tensor:
    """Rows in float32."""
    return torch.tensor(rows, dtype=torch.float32)
