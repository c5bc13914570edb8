"""Metrics of a fitted flow: likelihood, samples against data, float32 errors, and the matrices inside it."""

import copy
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from ..errors import IllConditioned
from ..flows.flow import Flow
from ..flows.matrix import BlockTriangular
from .populations import Population

Array = npt.NDArray[np.float64]
Metrics = dict[str, float]  # by the column of results.csv

SAMPLE_SEED: Final = 20_260_101
SAMPLE_ROWS: Final = 20_000
NEIGHBOUR_ROWS: Final = 2_000
NEIGHBOURS: Final = 5
ROUND_TRIP_ROWS: Final = 5_000
TAIL: Final = 1_000  # the worst row in a thousand
BLOCK_ROWS: Final = 512  # with it 1,024 units in float64 stay in the processor's cache


def likelihood(flow: Flow, rows: Population) -> Metrics:
    """Test loss and mean log|det dz/dx|; for a law also KL(truth || model) with its standard error and its tail.

    Computed in float64, in nats per row. The tail is the part of KL from the worst row in a thousand: a flow that is
    steep in some place can lose there as much as it gained everywhere else.
    """
    exact = copy.deepcopy(flow).double()
    z, ladj = _by_blocks(exact.forward, torch.from_numpy(rows.test))
    log_prob: Array = (exact.base.log_prob(z) + ladj).numpy()
    values = {"nll": float(-log_prob.mean()), "mean_ladj": float(ladj.mean())}
    if rows.truth is not None:
        gap = rows.truth - log_prob
        values |= {"kl": float(gap.mean()), "kl_error": float(gap.std() / np.sqrt(len(gap)))}
        values["kl_tail"] = float(np.sort(gap)[-len(gap) // TAIL :].sum() / len(gap))
    return values


def samples(flow: Flow, columns: int) -> tuple[Array, float]:
    """Draws rows from the flow and returns them with their entropy: the mean of -log p over these rows, nats."""
    exact = copy.deepcopy(flow).double()
    z = torch.from_numpy(exact.base.distribution(columns).draw(SAMPLE_SEED, 0, SAMPLE_ROWS).astype(np.float64))
    x, ladj = _by_blocks(exact.inverse, z)
    return x.numpy(), float((ladj - exact.base.log_prob(z)).mean())


def neighbourhoods(real: Array, drawn: Array) -> Metrics:
    """Coverage and density of drawn rows with respect to the balls around real rows.

    The ball of a real row reaches to its k-th nearest real neighbour; columns are scaled by the standard deviations of
    the data. Coverage is the share of real rows whose ball holds a drawn row: 1 - 2^-k for samples of the true law.
    Density is the mean number of balls that hold a drawn row, divided by k: 1 for samples of the true law, more if the
    samples concentrate where the data are dense.

    Reference: Naeem et al. (2020), Reliable fidelity and diversity metrics, sec. 3.2, arXiv:2002.09797.
    """
    scale = real.std(axis=0)
    real, drawn = (rows[:NEIGHBOUR_ROWS] / scale for rows in (real, drawn))
    distances = np.sort(cdist(real, real), axis=1)
    radius = distances[:, min(NEIGHBOURS, len(real) - 1)]  # column 0 is the row itself
    inside = cdist(real, drawn) < radius[:, None]  # [real, drawn]
    density = inside.sum() / (NEIGHBOURS * drawn.shape[0])
    return {"coverage": float(inside.any(axis=1).mean()), "density": float(density)}


def float32_errors(flow: Flow, rows: Array) -> Metrics:
    """Worst float32 errors: of x -> z -> x in standard deviations, and of log p against float64 in nats.

    `refused` is 1 if a matrix A is too badly conditioned to be served.
    """
    x = torch.tensor(rows[:ROUND_TRIP_ROWS], dtype=torch.float32)
    exact = copy.deepcopy(flow).double().log_prob(x.double())
    served, refused = _as_served(flow)
    z, _ = served.forward(x)
    round_trip = served.inverse(z)[0]
    error = (round_trip - x).abs() / x.std(dim=0)
    return {
        "round_trip": float(error.nan_to_num(torch.inf).max()),
        "log_prob_error": float((served.log_prob(x) - exact).abs().nan_to_num(torch.inf).max()),
        "refused": float(refused),
    }


def matrices(flow: Flow) -> Metrics:
    """The matrices A of a flow: worst condition number, sum of log|det A|, and the error of the diagonal product.

    `diagonal_error` is the largest |log of the product of the diagonal - log|det A|| over the matrices.
    """
    found = [module for module in copy.deepcopy(flow).double().modules() if isinstance(module, BlockTriangular)]
    if not found:
        return {"condition": 1.0, "log_det_a": 0.0, "diagonal_error": 0.0}
    dense = [matrix.forward() for matrix in found]
    log_dets = torch.stack([matrix.log_abs_det() for matrix in found])
    diagonals = torch.stack([torch.log(torch.diagonal(a).abs()).sum() for a in dense])
    return {
        "condition": max(float(torch.linalg.cond(a)) for a in dense),
        "log_det_a": float(log_dets.sum()),
        "diagonal_error": float((diagonals - log_dets).abs().max()),
    }


def views(flow: Flow, rows: Array, drawn: Array, count: int) -> dict[str, npt.NDArray[np.float32]]:
    """Points for the coursework's two plots: data, z = f(data), samples."""
    z, _ = flow.forward(torch.tensor(rows[:count], dtype=torch.float32))
    points = {"data": rows[:count], "z": z.numpy(), "samples": drawn[:count]}
    return {name: value.astype(np.float32) for name, value in points.items()}


def _by_blocks(function: Callable[[Tensor], tuple[Tensor, Tensor]], rows: Tensor) -> tuple[Tensor, Tensor]:
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
