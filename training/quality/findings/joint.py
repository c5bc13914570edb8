"""Findings about whole rows: a classifier, parts of the data without samples, memorised rows, repeated rows."""

from typing import Final

from diffeo.bundle.schema.quality import LEVEL, Finding, Quality

from .wording import LONGER_FIT, counted, p_value, percent

# More held-out rows among the training rows than this make the held-out loss too good.
REPEATED: Final = 0.01


def two_sample(quality: Quality) -> Finding:
    """Whether a classifier can tell samples from held-out rows."""
    test = quality.two_sample
    measured = f"AUC {test.auc:.3f} on {counted(test.rows, 'row')} of each kind, where 0.5 is chance"
    if test.p_value >= LEVEL:
        sentence = f"All columns together: no difference found by a classifier ({measured})."
        return Finding(kind="two_sample", matched=True, sentence=sentence, advice=None)
    sentence = (
        f"All columns together: a classifier tells samples from held-out rows ({measured}; {p_value(test.p_value)})."
    )
    return Finding(kind="two_sample", matched=False, sentence=sentence, advice=f"Try {LONGER_FIT}, or fit more rows.")


def coverage(quality: Quality) -> Finding:
    """Whether samples are where no data are, and whether data are where no samples are."""
    near = quality.neighbours
    stray, missed = near.stray_p_value < LEVEL, near.missed_p_value < LEVEL
    if not (stray or missed):
        sentence = (
            f"Coverage: no difference found; {percent(near.stray)} of the samples are far from all training rows and "
            f"{percent(near.missed)} of the held-out rows are far from all samples, where 1 % is usual, on "
            f"{counted(near.queries, 'row')}."
        )
        return Finding(kind="coverage", matched=True, sentence=sentence, advice=None)
    parts = []
    if stray:
        parts.append(
            f"{percent(near.stray)} of the samples are far from all training rows, where 1 % is usual "
            f"({p_value(near.stray_p_value)})"
        )
    if missed:
        parts.append(
            f"{percent(near.missed)} of the held-out rows are far from all samples, where 1 % is usual: the model "
            f"lacks a part of the data ({p_value(near.missed_p_value)})"
        )
    sentence = f"Coverage: {'; '.join(parts)}."
    return Finding(kind="coverage", matched=False, sentence=sentence, advice=f"Try {LONGER_FIT}.")


def memorisation(quality: Quality) -> Finding:
    """Whether samples are closer to training rows than held-out rows are."""
    near = quality.neighbours
    measured = (
        f"their median distance to the nearest of {counted(near.references, 'training row')} is "
        f"{near.median_ratio:.3g} times that of held-out rows, on {counted(near.queries, 'row')}"
    )
    if near.close_p_value >= LEVEL:
        sentence = f"Memorisation: samples are not found to be closer to training rows than held-out rows; {measured}."
        return Finding(kind="memorisation", matched=True, sentence=sentence, advice=None)
    sentence = (
        f"Memorisation: samples are closer to training rows than held-out rows are; {measured}, and "
        f"{percent(near.close)} are closer than 99 % of the held-out rows ({p_value(near.close_p_value)})."
    )
    return Finding(
        kind="memorisation",
        matched=False,
        sentence=sentence,
        advice="Fit more rows, or fit for a shorter time (--budget 1m).",
    )


def duplicates(quality: Quality) -> Finding:
    """Whether rows repeat, and whether held-out rows are training rows."""
    share = quality.duplicates
    sentence = (
        f"Repeated rows: {percent(share.train)} of the training rows and {percent(share.samples)} of the samples "
        f"repeat an earlier row; {percent(share.held_out_in_train)} of the held-out rows are training rows too."
    )
    # Where samples repeat as well, rows repeat because the columns have few values.
    natural = share.samples > 0 and share.samples >= 0.5 * share.train
    if share.held_out_in_train <= REPEATED or natural:
        return Finding(kind="duplicates", matched=True, sentence=sentence, advice=None)
    return Finding(
        kind="duplicates",
        matched=False,
        sentence=f"{sentence} So the held-out loss is too good.",
        advice="Remove repeated rows from the table before the fit.",
    )
