"""Flows of zuko, nflows and normflows, each by the recipe of its documentation and by one like ours.

Both recipes keep the weights with the best validation loss, and both end with the clock. "ours" adds what helps our own
flows: a learning rate that rises and falls by the clock, averaged weights, clipped gradients, linear maps between
couplings where the library has them.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmarks.quality.work import Work

Rows = npt.NDArray[np.float64]

EVALUATIONS: Final = 30
BLOCK_ROWS: Final = 8192
WARM_UP: Final = 0.05
AVERAGE: Final = 0.998


@dataclass(frozen=True, slots=True)
class Settings:
    """An optimisation: learning rate, rows of a step, and whether rate, weights and gradients are treated as ours."""

    rate: float
    batch: int
    is_ours: bool
    weight_decay: float = 0.0


OURS: Final = Settings(3e-3, 256, is_ours=True, weight_decay=1e-4)
# README of zuko; section 5.1 and table 5 of arXiv:1906.04032 (the authors of nflows); the example of normflows.
THEIRS: Final = {
    "zuko NSF": Settings(1e-3, 256, is_ours=False),
    "zuko MAF": Settings(1e-3, 256, is_ours=False),
    "nflows NSF-C": Settings(5e-4, 512, is_ours=False),
    "normflows NSF-C": Settings(1e-3, 512, is_ours=False, weight_decay=1e-5),
}


class PeerFlow:
    """A flow of another library.

    Args:
        module: holds the weights.
        log_prob: rows -> log densities.
        sample: n -> rows.
        about: its settings, in words.
    """

    def __init__(
        self, module: nn.Module, log_prob: Callable[[Tensor], Tensor], sample: Callable[[int], Tensor], about: str
    ) -> None:
        self.module, self.tensor_log_prob, self._sample, self.about = module, log_prob, sample, about

    def log_prob(self, rows: Rows) -> Rows:
        """Rows [n, D] -> log densities [n], nats."""
        x = torch.tensor(rows, dtype=torch.float32)
        with torch.no_grad():
            parts = [self.tensor_log_prob(x[start : start + BLOCK_ROWS]) for start in range(0, len(x), BLOCK_ROWS)]
        return torch.cat(parts).double().numpy()

    def sample(self, count: int) -> Rows:
        """n -> rows [n, D]."""
        with torch.no_grad():
            parts = [self._sample(min(BLOCK_ROWS, count - start)) for start in range(0, count, BLOCK_ROWS)]
        return torch.cat(parts).double().numpy()


Builder = Callable[[int, Settings], PeerFlow]  # from D


def fit(name: str, recipe: str, work: Work) -> PeerFlow:
    """Fit a flow by the clock; `recipe` is "ours" or "theirs"."""
    torch.manual_seed(work.seed)
    settings = OURS if recipe == "ours" else THEIRS[name]
    flow = BUILDERS[name](work.train.shape[1], settings)
    train, validation = (torch.tensor(rows, dtype=torch.float32) for rows in (work.train, work.validation))
    _optimise(flow, settings, train, validation, work.seconds)
    return flow


def _optimise(flow: PeerFlow, settings: Settings, train: Tensor, validation: Tensor, seconds: float) -> None:
    started = time.monotonic()
    parameters = [*flow.module.parameters()]
    optimiser = torch.optim.AdamW(parameters, settings.rate, weight_decay=settings.weight_decay)
    average = [value.detach().clone() for value in parameters]
    best_loss, best = math.inf, copy.deepcopy(flow.module.state_dict())
    order, step, judged = torch.empty(0, dtype=torch.long), 0, 0
    while (share := (time.monotonic() - started) / seconds) < 1:
        if len(order) < settings.batch:
            order = torch.randperm(len(train))
        rows, order = train[order[: settings.batch]], order[settings.batch :]
        if settings.is_ours:
            optimiser.param_groups[0]["lr"] = settings.rate * min(1, share / WARM_UP) * _cosine(share)
        _step(flow, optimiser, rows, settings)
        step += 1
        kept = min(AVERAGE, (1 + step) / (10 + step)) if settings.is_ours else 0.0
        torch._foreach_lerp_(average, [value.detach() for value in parameters], 1 - kept)
        if share * EVALUATIONS >= judged + 1:
            judged += 1
            loss = _loss_of(flow, average, validation)
            if loss < best_loss:
                best_loss, best = loss, _state_of(flow, average)
    flow.module.load_state_dict(best)
    flow.about += f", {step} steps"


def _step(flow: PeerFlow, optimiser: torch.optim.Optimizer, rows: Tensor, settings: Settings) -> None:
    optimiser.zero_grad()
    loss = -flow.tensor_log_prob(rows).mean()
    if not torch.isfinite(loss):
        return
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    if settings.is_ours:
        nn.utils.clip_grad_norm_(flow.module.parameters(), 5.0)
    optimiser.step()


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _loss_of(flow: PeerFlow, average: list[Tensor], validation: Tensor) -> float:
    now = copy.deepcopy(flow.module.state_dict())
    flow.module.load_state_dict(_state_of(flow, average))
    loss = -float(np.mean(flow.log_prob(validation.double().numpy())))
    flow.module.load_state_dict(now)
    return loss if math.isfinite(loss) else math.inf


def _state_of(flow: PeerFlow, average: list[Tensor]) -> dict[str, Any]:
    names = [name for name, _ in flow.module.named_parameters()]
    state = copy.deepcopy(flow.module.state_dict())
    return state | {name: value.clone() for name, value in zip(names, average, strict=True)}


def _zuko(kind: str) -> Builder:
    def build(dimension: int, settings: Settings) -> PeerFlow:
        import zuko  # type: ignore[import-not-found]  # noqa: PLC0415  (installed for this benchmark only)

        hidden = (128, 128) if settings.is_ours else (128, 128, 128)
        transforms = 5 if settings.is_ours else 3
        module = getattr(zuko.flows, kind)(dimension, 0, transforms=transforms, hidden_features=hidden)
        about = f"{transforms} transforms of {len(hidden)} x 128"
        return PeerFlow(module, lambda x: module().log_prob(x), lambda count: module().sample((count,)), about)

    return build


def _nflows(dimension: int, settings: Settings) -> PeerFlow:
    from nflows import distributions, flows, transforms, utils  # type: ignore[import-not-found]  # noqa: PLC0415
    from nflows.nn.nets import ResidualNet  # type: ignore[import-not-found]  # noqa: PLC0415

    layers, hidden, bound = (6, 96, 3.5) if settings.is_ours else (10, 256, 3.0)
    chain = []
    for layer in range(layers):
        permutation = transforms.RandomPermutation(dimension)
        chain += [permutation, transforms.LULinear(dimension, identity_init=True)]
        chain.append(
            transforms.PiecewiseRationalQuadraticCouplingTransform(
                utils.create_alternating_binary_mask(dimension, even=layer % 2 == 0),
                lambda ins, outs: ResidualNet(ins, outs, hidden, num_blocks=2, dropout_probability=0.0),
                num_bins=8,
                tails="linear",
                tail_bound=bound,
                apply_unconditional_transform=True,
            )
        )
    module = flows.Flow(transforms.CompositeTransform(chain), distributions.StandardNormal([dimension]))
    return PeerFlow(module, module.log_prob, module.sample, f"{layers} couplings of 2 blocks x {hidden}")


def _normflows(dimension: int, settings: Settings) -> PeerFlow:
    import normflows  # type: ignore[import-not-found]  # noqa: PLC0415

    layers, hidden, bound = (6, 96, 3.5) if settings.is_ours else (16, 128, 3.0)
    chain: list[Any] = []
    for layer in range(layers):
        chain.append(
            normflows.flows.CoupledRationalQuadraticSpline(
                dimension, 2, hidden, tail_bound=bound, reverse_mask=layer % 2 == 1
            )
        )
        chain.append(normflows.flows.LULinearPermute(dimension))
    module = normflows.NormalizingFlow(normflows.distributions.DiagGaussian(dimension, trainable=False), chain)
    about = f"{layers} couplings of 2 blocks x {hidden}"
    return PeerFlow(module, module.log_prob, lambda count: module.sample(count)[0], about)


BUILDERS: Final[dict[str, Builder]] = {
    "zuko NSF": _zuko("NSF"),
    "zuko MAF": _zuko("MAF"),
    "nflows NSF-C": _nflows,
    "normflows NSF-C": _normflows,
}
