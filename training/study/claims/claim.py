"""A claim and its verdict: words are chosen by rules from counts of comparisons, so a new run can change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """One judged claim.

    Attributes:
        number: 1 to 7.
        said: what the coursework says.
        verdict: holds, fails, or holds only if.
        figure: the deciding figure with its spread over the seeds.
        evidence: what the page of this claim is filled with: counts, figures, tables.
    """

    number: int
    said: str
    verdict: str
    figure: str
    evidence: Mapping[str, object]

    @property
    def command(self) -> str:
        """What reproduces it."""
        return f"diffeo study --claim {self.number}"


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison that a claim predicts: where, and whether it came out so beyond the spread over the seeds."""

    where: str
    holds: bool


def count(cases: Sequence[Case]) -> str:
    """So many of so many."""
    return f"{sum(case.holds for case in cases)} of {len(cases)}"


def all_hold(cases: Sequence[Case]) -> bool:
    """No case fails."""
    return all(case.holds for case in cases)


def none_holds(cases: Sequence[Case]) -> bool:
    """Every case fails."""
    return not any(case.holds for case in cases)


def exceptions(cases: Sequence[Case]) -> str:
    """A sentence that names the smaller side: the cases that fail, or the few that hold."""
    failing = [case.where for case in cases if not case.holds]
    holding = [case.where for case in cases if case.holds]
    if not failing:
        return "There is no exception."
    if len(failing) <= len(holding):
        return f"Not so: {'; '.join(failing)}."
    return f"So only: {'; '.join(holding)}." if holding else "There is no case in which it is so."


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
