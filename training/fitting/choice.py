"""Chooses the flow that is published: the simplest one that no other clearly beats on the validation rows.

A few validation rows rank two flows by chance. So a flow replaces a simpler one only if its lead is larger than the
standard error of the lead.

Reference: Breiman, Friedman, Olshen and Stone (1984), Classification and regression trees, section 3.4.3, the rule of
one standard error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flows.architecture import Architecture
from ..flows.flow import Flow
from .batches import FitRows
from .evaluation import row_nll, weighted_mean


@dataclass(frozen=True, slots=True)
class Candidate:
    """A flow that may be published.

    Attributes:
        name: what it is, in words for the report: "one Gaussian", "the fitted flow".
        flow: the flow, in the units and the type of the validation rows.
        architecture: its shape.
        trained: it comes from the steps of a fit.
    """

    name: str
    flow: Flow
    architecture: Architecture
    trained: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen candidate, and the validation loss of every candidate in nats per row, in the order they were given.

    Attributes:
        candidate: the chosen one.
        nll: validation loss by name.
        others: the candidates that were not chosen.
    """

    candidate: Candidate
    nll: dict[str, float]
    others: tuple[Candidate, ...] = ()

    def without_chosen(self) -> "Choice":
        """The same candidates without the chosen one: the one with the lowest loss is chosen."""
        best = min(self.others, key=lambda candidate: self.nll[candidate.name])
        rest = tuple(candidate for candidate in self.others if candidate is not best)
        return Choice(best, self.nll, rest)

    def __str__(self) -> str:
        """One sentence for the report; empty if there was nothing to choose from."""
        if len(self.nll) == 1:
            return ""
        chosen = self.candidate.name
        others = ", ".join(f"{name} {nll:.4f}" for name, nll in self.nll.items() if name != chosen)
        return f"published: {chosen}, {self.nll[chosen]:.4f} nats a row on the validation rows (others: {others})"


def choose(candidates: Sequence[Candidate], rows: FitRows, draws: int = 1) -> Choice:
    """The simplest candidate that no later one leads by more than the standard error of the lead.

    So a list that begins with one Gaussian never publishes a flow with a higher validation loss than the Gaussian. A
    candidate whose loss is not finite is never chosen before one whose loss is.

    Args:
        candidates: at least one, the simplest first; names are distinct.
        rows: their validation rows decide.
        draws: how often each validation row is among them; the loss of a row is the mean over its draws.
    """
    weights = None if rows.validation_weights is None else rows.validation_weights.reshape(draws, -1)[0]
    losses = {
        candidate.name: row_nll(candidate.flow, rows.validation).reshape(draws, -1).mean(dim=0)
        for candidate in candidates
    }
    nll = {name: weighted_mean(each, weights) + rows.validation_offset for name, each in losses.items()}
    best, *others = candidates
    for candidate in others:
        is_finite = nll[candidate.name] < torch.inf
        best_is_finite = nll[best.name] < torch.inf
        if is_finite and (not best_is_finite or _leads(losses[candidate.name], losses[best.name], weights)):
            best = candidate
    return Choice(best, nll, tuple(candidate for candidate in candidates if candidate is not best))


def _leads(losses: Tensor, than: Tensor, weights: Tensor | None) -> bool:
    """True if the mean of the differences [m] is larger than its standard error."""
    difference = than - losses
    lead = weighted_mean(difference, weights)
    share = torch.full_like(difference, 1 / len(difference)) if weights is None else weights / weights.sum()
    return lead > float((share * (difference - lead)).norm())
