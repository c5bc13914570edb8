"""A claim with its verdict. Rules choose the words of the verdict from counts, so a new run can change it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """One judged claim.

    Attributes:
        number: 1 to 7.
        statement: the sentence of the coursework.
        verdict: holds, fails, or holds only under a condition.
        result: the deciding numbers, with their range over the seeds.
        evidence: the variables of this claim's page template: counts, numbers, tables.
    """

    number: int
    statement: str
    verdict: str
    result: str
    evidence: Mapping[str, object]

    @property
    def command(self) -> str:
        """The command that reproduces the verdict."""
        return f"diffeo study --claim {self.number}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison that a claim predicts.

    Attributes:
        name: what is compared, for example `1 to 3 on moons at 512/10`.
        holds: whether the prediction is true and the ranges over the seeds do not overlap.
    """

    name: str
    holds: bool


def count(comparisons: Sequence[Comparison]) -> str:
    """The number that hold, for example `3 of 4`."""
    return f"{sum(comparison.holds for comparison in comparisons)} of {len(comparisons)}"


def all_hold(comparisons: Sequence[Comparison]) -> bool:
    """Whether no comparison fails."""
    return all(comparison.holds for comparison in comparisons)


def none_holds(comparisons: Sequence[Comparison]) -> bool:
    """Whether every comparison fails."""
    return not any(comparison.holds for comparison in comparisons)


def exceptions(comparisons: Sequence[Comparison]) -> str:
    """A sentence that lists the smaller side: the comparisons that fail, or the few that hold."""
    failing = [comparison.name for comparison in comparisons if not comparison.holds]
    holding = [comparison.name for comparison in comparisons if comparison.holds]
    if not failing:
        return "There is no exception."
    if len(failing) <= len(holding):
        return f"Exceptions: {'; '.join(failing)}."
    return f"It holds only for: {'; '.join(holding)}." if holding else "It holds in no case."


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
