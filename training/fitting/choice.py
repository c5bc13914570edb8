"""Chooses the flow that is published: the best on the validation rows, and a Gaussian where no fit beats it."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..flows.architecture import Architecture
from ..flows.flow import Flow
from .evaluation import mean_nll


@dataclass(frozen=True, slots=True)
class Candidate:
    """A flow that may be published.

    Attributes:
        name: what it is, in words for the report: "one Gaussian", "the fitted flow".
        flow: the flow, in the units and the type of the validation rows.
        architecture: its shape.
    """

    name: str
    flow: Flow
    architecture: Architecture


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen candidate, and the validation loss of every candidate in nats per row, in the order they were given.

    Attributes:
        candidate: the chosen one.
        nll: validation loss by name.
    """

    candidate: Candidate
    nll: dict[str, float]

    def __str__(self) -> str:
        """One sentence for the report; empty if there was nothing to choose from."""
        if len(self.nll) == 1:
            return ""
        chosen = self.candidate.name
        others = ", ".join(f"{name} {nll:.4f}" for name, nll in self.nll.items() if name != chosen)
        return f"published: {chosen}, {self.nll[chosen]:.4f} nats a row on the validation rows (others: {others})"


def choose(candidates: Sequence[Candidate], validation: Tensor, weights: Tensor | None = None) -> Choice:
    """The candidate with the lowest loss on the validation rows; the earlier one of two that are equal.

    So a list that begins with one Gaussian publishes a fitted flow only if that flow beats the Gaussian. A candidate
    whose loss is not finite is never chosen before one whose loss is.

    Args:
        candidates: at least one, the simplest first; names are distinct.
        validation: rows [m, D], in the units and the type that the flows take.
        weights: importance of the rows [m]; None weighs all rows alike.
    """
    nll = {candidate.name: mean_nll(candidate.flow, validation, weights) for candidate in candidates}
    # NaN is neither lower nor higher than any number, so it needs its own place: the last.
    best = min(candidates, key=lambda candidate: (nll[candidate.name] != nll[candidate.name], nll[candidate.name]))
    return Choice(best, nll)
