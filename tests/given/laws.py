"""The laws of a transform: each checks a transform, or a flow, on rows x or z of its domain."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffeo.training.flows.flow import Flow
from diffeo.training.flows.transform import Transform

Map = Transform | Flow
Law = Callable[[Map, Tensor], None]


def inverse_undoes_forward(transform: Map, x: Tensor) -> None:
    z, _ = transform.forward(x)
    torch.testing.assert_close(transform.inverse(z)[0], x, rtol=1e-9, atol=1e-9)


def forward_undoes_inverse(transform: Map, z: Tensor) -> None:
    x, _ = transform.inverse(z)
    torch.testing.assert_close(transform.forward(x)[0], z, rtol=1e-9, atol=1e-9)


def log_determinants_cancel(transform: Map, x: Tensor) -> None:
    z, forward = transform.forward(x)
    _, inverse = transform.inverse(z)
    torch.testing.assert_close(forward, -inverse, rtol=1e-9, atol=1e-9)


def forward_log_determinant_equals_that_of_autograd(transform: Map, x: Tensor) -> None:
    expected = _autograd(lambda row: transform.forward(row[None])[0][0], x)
    torch.testing.assert_close(transform.forward(x)[1], expected, rtol=1e-9, atol=1e-9)


def inverse_log_determinant_equals_that_of_autograd(transform: Map, z: Tensor) -> None:
    expected = _autograd(lambda row: transform.inverse(row[None])[0][0], z)
    torch.testing.assert_close(transform.inverse(z)[1], expected, rtol=1e-9, atol=1e-9)


def rows_do_not_mix(transform: Map, x: Tensor) -> None:
    together = transform.forward(x)[0]
    alone = torch.cat([transform.forward(row[None])[0] for row in x])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


def shapes_are_kept(transform: Map, x: Tensor) -> None:
    z, ladj = transform.forward(x)
    assert z.shape == x.shape
    assert ladj.shape == x.shape[:1]


def _autograd(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    jacobians = torch.stack([torch.func.jacrev(function)(row) for row in rows])
    result: Tensor = torch.linalg.slogdet(jacobians).logabsdet
    return result


LAWS: tuple[Law, ...] = (
    inverse_undoes_forward,
    forward_undoes_inverse,
    log_determinants_cancel,
    forward_log_determinant_equals_that_of_autograd,
    inverse_log_determinant_equals_that_of_autograd,
    rows_do_not_mix,
    shapes_are_kept,
)
