"""Says in words how well a model matches its data: what is matched, what is not, and which options to try."""

from collections.abc import Callable, Sequence
from typing import Final

from diffeo.bundle.schema.quality import Finding, Quality

from .findings.columns import columns, latent, pairs, sample_range
from .findings.joint import coverage, duplicates, memorisation, two_sample
from .findings.losses import baselines

# In the order of a reader's questions: is it better than something simple, are the samples right, are they new?
FINDERS: Final[tuple[Callable[[Quality], Finding], ...]] = (
    baselines,
    columns,
    pairs,
    sample_range,
    two_sample,
    coverage,
    memorisation,
    latent,
    duplicates,
)


def findings(quality: Quality) -> tuple[Finding, ...]:
    """One finding for each kind of check."""
    return tuple(finder(quality) for finder in FINDERS)


def verdict(quality: Quality) -> tuple[str, ...]:
    """The findings as plain sentences: first the differences, each with options to try, then the matches."""
    found = by_importance(quality.findings or findings(quality))
    return tuple(each.sentence if each.advice is None else f"{each.sentence} {each.advice}" for each in found)


def by_importance(found: Sequence[Finding]) -> list[Finding]:
    """The differences first; an advice that stands in several findings is kept in the first of them."""
    ordered: list[Finding] = []
    for each in sorted(found, key=lambda finding: finding.matched):
        repeated = each.advice in {earlier.advice for earlier in ordered}
        ordered.append(each.model_copy(update={"advice": None}) if repeated else each)
    return ordered
