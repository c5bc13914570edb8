"""Chooses the number types of the graphs of a flow: the fastest ones whose errors on some rows are within tolerance.

float32 holds seven digits. A steep flow, such as that of a table whose columns nearly determine each other, enlarges
the error of a row by the singular values of its Jacobian. Most of that error is made where the rows themselves are
rounded between two transforms. So rows in float64, between products that stay in float32, are exact enough for most
flows and nearly as fast.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diffeo.bundle.agreement import BODY_TOLERANCE
from diffeo.bundle.manifest import Dtype
from diffeo.bundle.tolerances import TOLERANCES

from .. import export
from ..flows.flow import Flow

Array = npt.NDArray[np.float64]

# Rows of the data that are checked, at most, and as many samples.
ROWS: Final = 10_000
# A certificate measures many more rows, and the largest of more errors is larger.
MARGIN: Final = 0.7
# Nats between the logarithms of the two graphs. A service allows three times as much on many more rows.
PAIR_TOLERANCE: Final = BODY_TOLERANCE / 3


@dataclass(frozen=True, slots=True)
class NumberTypes:
    """The types of the numbers in two graphs.

    Attributes:
        x: on the wire.
        rows: between two transforms.
        products: of the conditioners; the manifest calls it the precision.
    """

    x: Dtype = "float32"
    rows: Dtype = "float32"
    products: Dtype = "float32"

    def __str__(self) -> str:
        """The types in words."""
        if self.products == "float64":
            return "float64"
        words = self.products if self.rows == self.products else f"{self.products} with rows in {self.rows}"
        return words if self.x == "float32" else f"{words}, for x in {self.x}"


# The fastest first.
CHOICES: Final = (
    NumberTypes(),
    NumberTypes(rows="float64"),
    NumberTypes(x="float64"),
    NumberTypes(x="float64", rows="float64"),
    NumberTypes(x="float64", rows="float64", products="float64"),
)


def types_to_try(flow: Flow, dtype: Dtype, rows: Array) -> Iterator[NumberTypes]:
    """The first choice whose errors on some of the rows are within tolerance, then the last choice.

    The check computes in torch and takes two seconds; an export with its certificate takes half a minute.

    Args:
        flow: the flow, in the types of its weights.
        dtype: the least type of x: float64 if float32 loses digits of the data.
        rows: rows of the data as the graphs take them [n, D].
    """
    *choices, last = (types for types in CHOICES if dtype == "float32" or types.x == "float64")
    some = torch.from_numpy(rows[:ROWS])
    yield from islice((types for types in choices if _suits(flow, types, some)), 1)
    yield last


def _suits(flow: Flow, types: NumberTypes, data: Tensor) -> bool:
    """Values, and the way from z to x and back, are within tolerance on the data and on as many samples."""
    exact = export.served_flow(flow, "float64", "float64")
    served = export.served_flow(flow, types.products, types.rows)
    wire, between = export.TORCH_TYPE[types.x], export.TORCH_TYPE[types.rows]
    forward, inverse = export.ForwardGraph(served), export.InverseGraph(served, wire, between)
    drawn = exact.base.sample(len(data), data.shape[1], torch.Generator().manual_seed(0)).float()
    # A service draws more broadly too before it serves the graphs (`diffeo.bundle.agreement`).
    broad = torch.cat([drawn, drawn * (1 + 1 / math.sqrt(2 * data.shape[1]))])
    with torch.no_grad():
        x = torch.cat([data, exact.inverse(drawn.double())[0]]).to(wire)
        z, ladj = exact.forward(x.double())
        log_prob = exact.base.log_prob(z) + ladj
        parity = [_relative(*pair) for pair in zip(forward.forward(x), (z, ladj, log_prob), strict=True)]
        x_drawn, inverse_ladj, _ = inverse.forward(broad)
        again, again_ladj, _ = forward.forward(x_drawn)
        x_again, _, _ = inverse.forward(forward.forward(x)[0])
    scale = data.std(dim=0).clamp_min(torch.finfo(torch.float32).tiny)
    trips = _relative(again[: len(drawn)], drawn), _largest((x_again.double() - x.double()) / scale)
    is_exact, returns = max(parity) <= MARGIN * TOLERANCES["parity"], max(trips) <= MARGIN * TOLERANCES["round_trip"]
    return is_exact and returns and _relative(again_ladj, -inverse_ladj) <= PAIR_TOLERANCE


def _relative(got: Tensor, expected: Tensor) -> float:
    """The largest |got - expected|, relative where |expected| is above 1; infinite if a number is not finite."""
    expected = expected.double()
    return _largest((got.double() - expected) / expected.abs().clamp_min(1.0))


def _largest(errors: Tensor) -> float:
    error = float(errors.abs().max())
    return error if np.isfinite(error) else np.inf
