"""Compares every formula of docs/coupling.md with autograd in float64."""

import copy
import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import grad

from diffeo.training.errors import IllConditioned
from diffeo.training.flows.base.standard_normal import standard_normal_log_prob
from diffeo.training.flows.conditioner import Conditioner
from diffeo.training.flows.coupling import Coupling
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.matrix import MAX_CONDITION, BlockTriangular
from diffeo.training.flows.triangular_coupling import TriangularCoupling
from tests.given.flows.coupling_point import (
    UNLIMITED,
    Point,
    either,
    every_coupling,
    every_coupling_of_the_plane,
    every_plain_coupling,
    integral,
    ladj,
    log_q_of_wrong_sign,
    log_q_without_det,
    lower,
    matrix_of,
    points,
    rows,
    same,
    shrunk,
    triangular,
    with_constant_scale,
    with_random_weights,
)

PAGE = Path(__file__).parents[2] / "docs/coupling.md"


@every_plain_coupling
def test_the_plain_coupling_copies_one_half(layer: Coupling) -> None:
    for p in points(layer):
        same(p.z_a, p.x_a)
        same(p.z_b, p.x_b * torch.exp(p.s) + p.t)
        same(p.dz_dx, lower(torch.eye(len(p.x_a)).double(), p.b, torch.diag(torch.exp(p.s))))
        same(p.s.sum(), ladj([p.dz_dx])[0])


@every_coupling
def test_the_jacobian_is_a_zero_b_and_exp_s(layer: TriangularCoupling) -> None:
    for p in points(layer):
        same(p.z_a, p.a @ p.x_a)
        same(p.z_b, p.x_b * torch.exp(p.s) + p.t)
        same(p.dz_dx, lower(p.a, p.b, torch.diag(torch.exp(p.s))))


@every_coupling
def test_b_never_enters_the_determinant(layer: TriangularCoupling) -> None:
    generator = torch.Generator().manual_seed(7)
    for p in points(layer):
        unit = torch.eye(len(p.x_a)).double(), torch.eye(len(p.x_b)).double()
        factor = lower(unit[0], p.b @ torch.linalg.inv(p.a), unit[1])
        same(factor @ lower(p.a, torch.zeros_like(p.b), torch.diag(torch.exp(p.s))), p.dz_dx)
        replaced = p.dz_dx.clone()
        replaced[len(p.x_a) :, : len(p.x_a)] = 10 * torch.randn(p.b.shape, generator=generator).double()
        same(ladj([replaced]), ladj([p.dz_dx]))


@every_coupling
def test_the_log_determinant_is_that_of_a_plus_the_sum_of_s(layer: TriangularCoupling) -> None:
    expected = ladj([p.dz_dx for p in points(layer)])
    same(torch.stack([ladj([p.a])[0] + p.s.sum() for p in points(layer)]), expected)
    same(layer.forward(rows(layer))[1], expected)


@every_coupling
def test_the_inverse_finds_x_a_before_it_reads_it(layer: TriangularCoupling) -> None:
    for p in points(layer):
        x_a = torch.linalg.inv(p.a) @ p.z_a
        found = [(p.z_b - t) * torch.exp(-s) for s, t in (p.scale_and_shift(x_a), p.scale_and_shift(p.z_a))]
        same(x_a, p.x_a)
        same(found[0], p.x_b)
        assert (found[1] - p.x_b).abs().max() > 1e-3
        same(layer.inverse(p.z[None])[0], layer.halves.join(x_a[None], found[0][None]))


@every_coupling
def test_the_jacobian_of_the_inverse_is_the_inverse_block_by_block(layer: TriangularCoupling) -> None:
    for p in points(layer):
        back, exp_minus_s = torch.linalg.inv(p.a), torch.diag(torch.exp(-p.s))
        same(p.dx_dz, lower(back, -exp_minus_s @ p.b @ back, exp_minus_s))
        same(p.dx_dz, torch.linalg.inv(p.dz_dx))


@every_coupling
def test_the_inverse_has_the_log_determinant_of_the_other_sign(layer: TriangularCoupling) -> None:
    expected = ladj([p.dx_dz for p in points(layer)])
    same(torch.stack([-ladj([p.a])[0] - p.s.sum() for p in points(layer)]), expected)
    same(layer.inverse(layer.forward(rows(layer))[0])[1], expected)


@every_coupling
def test_log_p_is_that_of_z_plus_the_log_determinant(layer: TriangularCoupling) -> None:
    for p in points(layer):
        base = -(p.z @ p.z) / 2 - len(p.z) / 2 * math.log(2 * math.pi)
        same(base, torch.distributions.Normal(0, 1).log_prob(p.z).sum())  # type: ignore[no-untyped-call]  # torch's
        same(base + ladj([p.a])[0] + p.s.sum(), base + ladj([p.dz_dx])[0])
        same(base + ladj([p.a])[0] + p.s.sum(), Flow([layer]).log_prob(p.x[None])[0])


@pytest.mark.parametrize("det", [None, 0.01, 3.0])
@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("dimension", [1, 2, 3, 5, 8])
def test_the_determinant_is_the_product_over_the_blocks(dimension: int, block: int, det: float | None) -> None:
    matrix = with_random_weights(BlockTriangular(dimension, block, det))
    a, v = matrix.forward(), matrix.diagonal
    u = v if det is None else v - v.mean() + math.log(det) / dimension
    for start in range(0, dimension, block):
        k = slice(start, start + block)
        assert (a[k, k.stop :] == 0).all()
        same(torch.linalg.det(a[k, k]), torch.exp(u[k].sum()))
    same(torch.linalg.det(a), torch.exp(u.sum()))
    if det is not None:
        assert float(torch.linalg.det(a)) == pytest.approx(det, rel=1e-9)


@pytest.mark.parametrize("dimension", [2, 5, 8])
def test_the_diagonal_gives_the_determinant_for_blocks_of_one_only(dimension: int) -> None:
    one, two = (with_random_weights(BlockTriangular(dimension, block, None)).forward() for block in (1, 2))
    same(torch.diagonal(one).prod(), torch.linalg.det(one))
    assert (torch.diagonal(two).prod() - torch.linalg.det(two)).abs() > 1e-3
    of_the_page = with_random_weights(BlockTriangular(2, 2, None))
    for parameter, value in ((of_the_page.lower, 2), (of_the_page.upper, 1), (of_the_page.diagonal, 0)):
        parameter.fill_(value)
    a = of_the_page.forward()
    assert a.tolist() == [[1, 1], [2, 3]]
    assert float(torch.diagonal(a).prod()) == 3
    assert float(torch.linalg.det(a)) == pytest.approx(1)


@every_coupling
def test_constants_are_rounded_from_float64(layer: TriangularCoupling) -> None:
    small = copy.deepcopy(layer).float()
    frozen = small.frozen().matrix
    a = matrix_of(copy.deepcopy(small)).double().forward()
    unit = torch.eye(len(a))
    assert torch.equal(frozen.multiply(unit).T, a.float())
    assert torch.equal(frozen.divide(unit).T, torch.linalg.inv(a).float())
    assert float(frozen.log_abs_det()) == pytest.approx(float(ladj([a])), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("dimension", [2, 5])
def test_an_error_grows_by_at_most_the_condition_number(dimension: int) -> None:
    a = with_random_weights(BlockTriangular(dimension, 2, None)).forward()
    left, singular, right = torch.linalg.svd(a)

    def growth(z: Tensor, dz: Tensor) -> float:
        x, dx = (torch.linalg.inv(a) @ column for column in (z, dz))
        return float((dx.norm() / x.norm()) / (dz.norm() / z.norm()))

    pairs = torch.randn(100, 2, dimension, generator=torch.Generator().manual_seed(2)).double()
    assert max(growth(z, dz) for z, dz in pairs) <= float(singular[0] / singular[-1])
    assert growth(a @ right[0], 1e-7 * left[:, -1]) == pytest.approx(float(singular[0] / singular[-1]))


@pytest.mark.parametrize(("condition", "held"), [(0.99e6, True), (1.01e6, False)])
def test_a_condition_number_above_a_million_is_refused(condition: float, *, held: bool) -> None:
    layer = triangular(4, 1)
    matrix = matrix_of(layer)
    matrix.free.zero_()
    matrix.diagonal.copy_(torch.tensor([math.log(condition), 0.0]))
    assert torch.finfo(torch.float32).eps / 2 * MAX_CONDITION == pytest.approx(0.06, rel=0.01)
    if held:
        layer.frozen()
        return
    with pytest.raises(IllConditioned):
        layer.frozen()


@every_coupling
def test_the_gradient_takes_b_transposed(layer: TriangularCoupling) -> None:
    for p in points(layer):
        y = p.x.clone().requires_grad_()
        of_a, of_b = p.halves(grad(-Flow([layer]).log_prob(y[None])[0], y)[0])
        same(of_a, p.a.T @ p.z_a + p.b.T @ p.z_b - p.ds_and_dt[0].sum(0))
        same(of_b, torch.exp(p.s) * p.z_b)


class DetachedConditioner(Conditioner):
    """The same conditioner, but no gradient reaches its input."""

    def __init__(self, conditioner: Conditioner) -> None:
        nn.Module.__init__(self)
        self.net = conditioner.net
        self.noise, self.is_random = conditioner.noise, conditioner.is_random

    def forward(self, a: Tensor) -> Tensor:
        return super().forward(a.detach())


@pytest.mark.parametrize(("dimension", "block"), [(2, 1), (5, 2), (8, 3)])
def test_a_detached_conditioner_keeps_the_loss_and_breaks_the_gradient(dimension: int, block: int) -> None:
    first, second = (triangular(dimension, block, flipped=flipped) for flipped in either)
    detached = copy.deepcopy(second)
    detached.conditioner = DetachedConditioner(detached.conditioner)
    x, losses, gradients = rows(first), [], []
    y = first.forward(x)[0].requires_grad_()
    first.requires_grad_()
    for last in (second, detached):
        weights = [*last.requires_grad_().parameters()], [*first.parameters()]
        losses.append(-Flow([first, last]).log_prob(x))
        own, earlier = (torch.cat([g.ravel() for g in grad(losses[-1].sum(), w, retain_graph=True)]) for w in weights)
        at_y = grad(-Flow([last]).log_prob(y).sum(), y)[0]
        gradients.append((own, earlier, at_y))
        last.requires_grad_(requires_grad=False)
    (own, earlier, at_y), (own_detached, earlier_detached, at_y_detached) = gradients
    assert torch.equal(*losses)
    same(own_detached, own)
    assert (earlier_detached - earlier).norm() > 0.01 * earlier.norm()
    for row, lost in zip(y.detach(), at_y - at_y_detached, strict=True):
        p = Point(second, row)
        lost_a, lost_b = p.halves(lost)
        same(lost_a, p.b.T @ p.z_b - p.ds_and_dt[0].sum(0))
        same(lost_b, torch.zeros_like(lost_b))


@every_coupling
def test_the_wrong_sign_is_off_by_twice_the_sum_of_s(layer: TriangularCoupling) -> None:
    for p in points(layer):
        log_p = standard_normal_log_prob(p.z) + ladj([p.dz_dx])[0]
        same(log_p - log_q_of_wrong_sign(layer, p.x[None])[0], 2 * p.s.sum())


@every_coupling_of_the_plane
def test_the_wrong_sign_integrates_to_the_mean_of_exp_minus_2_s(layer: TriangularCoupling) -> None:
    # The mean over x ~ p is one over z ~ N(0, I), and s reads only z_a.
    z_a = torch.linspace(-8, 8, 100_001, dtype=torch.float64)[:, None]
    s, _ = layer.theta(layer.matrix.divide(z_a))
    mean = float(torch.trapezoid(torch.exp(standard_normal_log_prob(z_a) - 2 * s[:, 0]), z_a[:, 0]))
    total = integral(layer, lambda x: log_q_of_wrong_sign(layer, x))
    assert total == pytest.approx(mean, rel=1e-3)
    assert abs(total - 1) > 0.1


@pytest.mark.parametrize(("dimension", "flipped"), [(2, False), (5, False), (5, True)])
def test_the_wrong_sign_has_no_best_s(dimension: int, *, flipped: bool) -> None:
    layer = triangular(dimension, 1, flipped=flipped, limit=UNLIMITED)
    x = 3 * rows(layer, 50)
    square = layer.halves.split(x)[1].square().mean(0)  # [moving]

    def slopes(s: Tensor) -> tuple[Tensor, Tensor]:
        bias = with_constant_scale(layer, s).requires_grad_()
        log_p, log_q = Flow([layer]).log_prob(x).mean(), log_q_of_wrong_sign(layer, x).mean()
        both = grad(log_p, bias)[0][: len(s)], grad(log_q, bias)[0][: len(s)]
        bias.requires_grad_(False)  # noqa: FBT003  (torch's own)
        return both

    with_constant_scale(layer, torch.zeros_like(square))
    start = log_q_of_wrong_sign(layer, x)
    for depth in (1, 10, 100):
        s = torch.full_like(square, -depth)
        of_p, of_q = slopes(s)
        same(of_p, 1 - square * torch.exp(2 * s))
        same(of_q, -1 - square * torch.exp(2 * s))
        assert (log_q_of_wrong_sign(layer, x) - start >= depth * len(s)).all()
    best, _ = slopes(-torch.log(square.sqrt()))
    same(best, torch.zeros_like(best))


@every_coupling_of_the_plane
def test_without_det_a_the_integral_is_one_over_det_a(layer: TriangularCoupling) -> None:
    det = float(matrix_of(layer).forward())
    for p in points(layer):
        log_p = standard_normal_log_prob(p.z) + ladj([p.dz_dx])[0]
        same(log_q_without_det([layer], p.x[None])[0], log_p - math.log(det))
    assert integral(layer, Flow([layer]).log_prob) == pytest.approx(1, abs=1e-4)
    assert integral(layer, lambda x: log_q_without_det([layer], x)) == pytest.approx(1 / det, rel=1e-4)


@pytest.mark.parametrize("factor", [0.5, 1e-3, 1e-9])
@pytest.mark.parametrize(("dimension", "block"), [(2, 1), (5, 2), (6, 3)])
def test_one_coupling_without_det_a_gains_at_most_half_the_square(dimension: int, block: int, factor: float) -> None:
    layer = triangular(dimension, block)
    small = shrunk(layer, factor)
    x = rows(layer)
    square = layer.halves.split(layer.forward(x)[0])[0].square().sum(-1)
    gain = log_q_without_det([small], x) - log_q_without_det([layer], x)
    same(gain, (1 - factor**2) / 2 * square)
    wide, narrow = (each.halves.split(each.inverse(x)[0])[0] for each in (small, layer))
    same(factor * wide, narrow)


@pytest.mark.parametrize("factor", [0.5, 1e-3, 1e-9])
@pytest.mark.parametrize(("dimension", "block"), [(2, 1), (5, 2), (6, 3)])
def test_two_couplings_without_det_a_gain_without_bound(dimension: int, block: int, factor: float) -> None:
    first = triangular(dimension, block)
    second = triangular(dimension, block, flipped=True, limit=UNLIMITED)
    small, undoing = shrunk(first, factor), copy.deepcopy(second)
    d = dimension // 2
    undoing.conditioner.linear_layers()[-1].bias[:d] -= math.log(factor)
    before, after = Flow([first, second]), Flow([small, undoing])
    x = rows(first)
    same(after.forward(x)[0], before.forward(x)[0])
    same(after.inverse(x)[0], before.inverse(x)[0])
    same(after.log_prob(x), before.log_prob(x))
    gain = log_q_without_det([small, undoing], x) - log_q_without_det([first, second], x)
    same(gain, torch.full_like(gain, d * math.log(1 / factor)))


def test_the_page_cites_exactly_these_tests() -> None:
    table = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cited = [name for line in table for name in re.findall(r"`(test_\w+)`", line)]
    assert sorted(cited) == sorted(name for name in globals() if name.startswith("test_"))
